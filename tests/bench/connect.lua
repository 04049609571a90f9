-- For sysbench: connections that are opened, used for one statement and closed.

local driver

function thread_init()
   driver = sysbench.sql.driver()
end

function event()
   local connection = driver:connect()
   connection:query("DO 1")
   connection:disconnect()
end
