-- An application's ordinary reads and writes on the shop (shop.py), for sysbench: text and prepared, mixed,
-- and every answer that can be known is checked.
--
-- Each thread owns the users and orders whose number gives its own when divided by the number of threads
-- (--users must be a multiple of --threads), and alone writes them; so it knows what a read of them must give.
-- A wrong answer ends the run. While it runs, one line a second says what went on:
--   tick SECONDS EVENTS QUERIES P95_MS ERRORS RECONNECTS
-- and the last line `total EVENTS QUERIES P95_MS ERRORS RECONNECTS CHECKED` ends a run that was all right.

sysbench.cmdline.options = {
   users = {"Number of users that shop.py made", 100000},
   orders = {"Number of orders that shop.py made", 120000},
   stop_file = {"The run ends, in order, when this file exists", ""},
}

local FIRST = {"Ada", "Grace", "Alan", "Edsger", "Barbara", "Zoë", "Linus"}
local LAST = {"Lovelace", "Hopper", "van Rossum", "Müller", "O'Neill"}

-- What shop.py's INSERT … SELECT made of a row's number.
local function first_name(id)
   local name = FIRST[1 + id % 7]
   if id % 11 ~= 0 then
      name = name .. " " .. LAST[1 + id % 5] .. " " .. id
   end
   return name
end

local function first_cents(id)
   return id % 100000 + 100
end

local function money(cents)
   return string.format("%d.%02d", math.floor(cents / 100), cents % 100)
end

local function quote(text)
   return "'" .. text:gsub("'", "''") .. "'"
end

local con, threads, users, orders
local names, cents, sums, mine = {}, {}, {}, {} -- what this thread wrote; mine: orders that it inserted
local checked = 0
local written = 0

local function expect(what, got, wanted)
   checked = checked + 1
   if tostring(got) ~= tostring(wanted) then
      print(string.format("WRONG ANSWER %s: got %s, wanted %s", what, tostring(got), tostring(wanted)))
      error("wrong answer")
   end
end

local function my_user()
   return 1 + sysbench.tid + threads * sysbench.rand.uniform(0, users / threads - 1)
end

local function my_order()
   return sysbench.tid + threads * sysbench.rand.uniform(1, orders / threads - 1)
end

local function name_of(id)
   return names[id] or first_name(id)
end

local function cents_of(id)
   return cents[id] or first_cents(id)
end

-- The cents of all orders of one of this thread's users: those that shop.py made, and what was done since.
local function sum_of(user)
   local total = sums[user] or 0
   for id = user - 1, orders, users do
      if id >= 1 then
         total = total + first_cents(id)
      end
   end
   return total
end

local function add_to_sum(user, delta)
   sums[user] = (sums[user] or 0) + delta
end

local function owner_of(order)
   return 1 + order % users
end

-- Always a name that no row has had: an UPDATE that changes nothing would hide a lost write.
local function new_name()
   written = written + 1
   local name = FIRST[1 + written % 7]
   if written % 9 == 0 then
      return name .. sysbench.tid .. "x" .. written
   end
   return name .. " " .. LAST[1 + written % 5] .. " " .. sysbench.tid .. "-" .. written
end

-- Prepared statements, one of each a thread, kept for the whole run: they live through every flip. --------------

local prepared = {}

local function prepare(key, text, ...)
   local statement = con:prepare(text)
   local parameters = {}
   for i, kind in ipairs({...}) do
      if kind == "int" then
         parameters[i] = statement:bind_create(sysbench.sql.type.INT)
      else
         parameters[i] = statement:bind_create(sysbench.sql.type.VARCHAR, 200)
      end
   end
   statement:bind_param(unpack(parameters))
   prepared[key] = {statement = statement, parameters = parameters}
end

local function execute(key, ...)
   local entry = prepared[key]
   for i, value in ipairs({...}) do
      entry.parameters[i]:set(value)
   end
   return entry.statement:execute()
end

local function prepare_all()
   prepare("read user", "SELECT id FROM users WHERE id = ? AND fullname = ?", "int", "text")
   prepare("read order", "SELECT o.id FROM orders AS o WHERE o.id = ? AND o.amount = ?", "int", "text")
   prepare("list", "SELECT fullname, visits FROM users WHERE id BETWEEN ? AND ? ORDER BY fullname", "int", "int")
   prepare("rename", "UPDATE users SET fullname = ?, visits = visits + 1 WHERE id = ?", "text", "int")
   prepare("price", "UPDATE orders SET amount = ? WHERE id = ?", "text", "int")
   prepare("upsert", "INSERT INTO users (id, email, fullname) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE "
              .. "fullname = VALUES(fullname)", "int", "text", "text")
   prepare("order", "INSERT INTO orders (user_id, amount, note) VALUES (?, ?, ?)", "int", "text", "text")
end

-- One entry an action; `event` picks one by weight. -------------------------------------------------------------

local function insert_order(user, amount)
   con:query(string.format("INSERT INTO orders (user_id, amount) VALUES (%d, %s)", user, money(amount)))
   add_to_sum(user, amount)
   mine[#mine + 1] = {id = tonumber(con:query_row("SELECT LAST_INSERT_ID()")), user = user, cents = amount}
end

local actions = {
   {12, function() -- the page of a user
      local id = my_user()
      expect("fullname of user " .. id, con:query_row("SELECT fullname FROM users WHERE id = " .. id), name_of(id))
   end},
   {10, function()
      local id = my_user()
      expect("prepared: user " .. id .. " by name", execute("read user", id, name_of(id)).nrows, 1)
   end},
   {4, function() -- a list over several threads' users: their number is known, their names are not
      local from = sysbench.rand.uniform(1, users - 10)
      local rs = con:query(string.format(
         "SELECT id, fullname FROM users WHERE id BETWEEN %d AND %d ORDER BY id", from, from + 9))
      for id = from, from + 9 do
         local row = rs:fetch_row()
         expect("a row of the list", row[1], id)
         if (id - 1) % threads == sysbench.tid then
            expect("a name in the list", row[2], name_of(id))
         end
      end
   end},
   {3, function()
      local from = sysbench.rand.uniform(1, users - 10)
      expect("prepared: rows of the list", execute("list", from, from + 9).nrows, 10)
   end},
   {6, function() -- an order with its user's name
      local id = my_order()
      local amount, name = con:query_row(
         "SELECT o.amount, u.fullname FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = " .. id)
      expect("amount of order " .. id, amount, money(cents_of(id)))
      expect("its user's name", name, name_of(owner_of(id)))
   end},
   {6, function()
      local id = my_order()
      expect("prepared: order " .. id .. " by amount", execute("read order", id, money(cents_of(id))).nrows, 1)
   end},
   {4, function() -- everything, as the application has always known it
      local id = my_order()
      local rs = con:query("SELECT * FROM orders WHERE id = " .. id)
      expect("columns of SELECT *", rs.nfields, 4)
      expect("amount in SELECT *", rs:fetch_row()[3], money(cents_of(id)))
   end},
   {4, function()
      local user = my_user()
      expect("sum of the orders of user " .. user,
             con:query_row("SELECT COALESCE(SUM(amount), 0.00) FROM orders WHERE user_id = " .. user),
             money(sum_of(user)))
   end},
   {6, function() -- a new name
      local id, name = my_user(), new_name()
      con:query(string.format("UPDATE users SET fullname = %s WHERE id = %d", quote(name), id))
      names[id] = name
   end},
   {6, function()
      local id, name = my_user(), new_name()
      execute("rename", name, id)
      names[id] = name
   end},
   {3, function()
      local id, name = my_user(), new_name()
      con:query(string.format("INSERT INTO users (id, email, fullname) VALUES (%d, 'user%d@example.com', %s) "
         .. "ON DUPLICATE KEY UPDATE fullname = VALUES(fullname)", id, id, quote(name)))
      names[id] = name
   end},
   {3, function()
      local id, name = my_user(), new_name()
      execute("upsert", id, "user" .. id .. "@example.com", name)
      names[id] = name
   end},
   {5, function() -- an order grows by what it was
      local id = my_order()
      con:query("UPDATE orders SET amount = amount + 1.25 WHERE id = " .. id)
      cents[id] = cents_of(id) + 125
      add_to_sum(owner_of(id), 125)
   end},
   {5, function()
      local id, amount = my_order(), sysbench.rand.uniform(1, 1000000)
      add_to_sum(owner_of(id), amount - cents_of(id))
      execute("price", money(amount), id)
      cents[id] = amount
   end},
   {5, function()
      insert_order(my_user(), sysbench.rand.uniform(1, 1000000))
   end},
   {5, function()
      local user, amount = my_user(), sysbench.rand.uniform(1, 1000000)
      execute("order", user, money(amount), "by a prepared statement")
      add_to_sum(user, amount)
   end},
   {3, function() -- an order is called off
      local order = table.remove(mine)
      if order then
         con:query("DELETE FROM orders WHERE id = " .. order.id .. " AND amount = " .. money(order.cents))
         expect("orders left with number " .. order.id,
                con:query_row("SELECT COUNT(*) FROM orders WHERE id = " .. order.id), 0)
         add_to_sum(order.user, -order.cents)
      end
   end},
   {5, function() -- a purchase, as one transaction, that reads its own writes
      local user, name, amount = my_user(), new_name(), sysbench.rand.uniform(1, 1000000)
      con:query("BEGIN")
      expect("name for update", con:query_row("SELECT fullname FROM users WHERE id = " .. user .. " FOR UPDATE"),
             name_of(user))
      execute("rename", name, user)
      expect("name just written", con:query_row("SELECT fullname FROM users WHERE id = " .. user), name)
      insert_order(user, amount)
      con:query("COMMIT")
      names[user] = name
   end},
   {2, function() -- a purchase that comes to nothing
      local user = my_user()
      con:query("BEGIN")
      con:query(string.format("UPDATE users SET fullname = %s WHERE id = %d", quote(new_name()), user))
      con:query("ROLLBACK")
      expect("name after ROLLBACK", con:query_row("SELECT fullname FROM users WHERE id = " .. user), name_of(user))
   end},
}

local weights = 0
for _, action in ipairs(actions) do
   weights = weights + action[1]
end

function thread_init()
   threads, users, orders = sysbench.opt.threads, sysbench.opt.users, sysbench.opt.orders
   assert(users % threads == 0 and orders % threads == 0, "--users and --orders must be multiples of --threads")
   con = sysbench.sql.driver():connect()
   prepare_all()
end

local since_look = 0

local function stop_asked()
   since_look = since_look + 1
   if since_look < 20 then
      return false
   end
   since_look = 0
   local file = io.open(sysbench.opt.stop_file)
   return file and file:close()
end

-- A true result ends the thread.
function event()
   if stop_asked() then
      return true
   end
   local pick = sysbench.rand.uniform(1, weights)
   for _, action in ipairs(actions) do
      pick = pick - action[1]
      if pick <= 0 then
         action[2]()
         return false
      end
   end
end

function thread_done()
   for _, entry in pairs(prepared) do
      entry.statement:close()
   end
   con:disconnect()
   print("checked " .. checked)
end

local function queries(stat)
   return stat.reads + stat.writes + stat.other
end

function sysbench.hooks.report_intermediate(stat)
   print(string.format("tick %.1f %d %d %.2f %d %d", stat.time_total, stat.events, queries(stat),
                       stat.latency_pct * 1000, stat.errors, stat.reconnects))
   io.stdout:flush()
end

function sysbench.hooks.report_cumulative(stat)
   print(string.format("total %d %d %.2f %d %d", stat.events, queries(stat), stat.latency_pct * 1000, stat.errors,
                       stat.reconnects))
   io.stdout:flush()
end
