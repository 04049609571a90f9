-- For sysbench: connections that are opened and closed. What a statement costs is measured apart.

local driver

function thread_init()
   driver = sysbench.sql.driver()
end

function event()
   driver:connect():disconnect()
end
