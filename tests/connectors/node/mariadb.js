/* node's mariadb (Connector/Node.js) through the common scenario: node mariadb.js PLAN. It sends commands ahead without
 * waiting for the answers (pipelining), and batches by COM_STMT_BULK_EXECUTE. */
'use strict';
const mariadb = require('mariadb');
const { value, shown, say, putError, withFile, bigContent, options, Unsupported, runPlan } = require('./common.js');

let connection = null;
const statements = {};

function putMeta(fields) {
    for (const f of fields)
        say('column', f.name(), `| type=${f.type} ${f.columnType} charset=${f.collation?.name} |`, `decimals=${f.scale}`, f.db(), f.table(),
            f.orgTable(), f.orgName(), `length=${f.columnLength}`, `flags=${f.flags}`);
}

function putOne(result, meta) {
    if (result && result.affectedRows !== undefined && !Array.isArray(result)) {
        say('result', shown(result));
        return;
    }
    const fields = meta ?? result?.meta;
    if (fields) putMeta(fields);
    for (const row of result) say('row', Array.isArray(row) ? row.map(shown).join(' ') : shown(row));
    say('result', result.length, 'rows');
}

function putResults(results) {
    if (!Array.isArray(results) || results.meta && !Array.isArray(results.meta[0])) putOne(results);
    else if (results.length && results.every(one => one && (Array.isArray(one) && one.meta || one.affectedRows !== undefined))) results.forEach(one => putOne(one));
    else putOne(results);
}

const scenario = {
    async end() { await connection?.end().catch(putError); },

    async connect(...words) {
        const o = options(words);
        for (const name of Object.keys(statements)) delete statements[name];
        if (connection) connection.destroy();
        connection = null;
        const fresh = await mariadb.createConnection({
            host: process.env.DB_HOST, port: +process.env.DB_PORT, user: o.user ?? process.env.DB_USER,
            password: o.password ?? (o.user ? '' : process.env.DB_PASSWORD), database: o.db ?? process.env.DB_NAME,
            charset: { latin1: 'latin1', gbk: 'gbk' }[o.charset] ?? 'utf8mb4', multipleStatements: !!o.multi, rowsAsArray: true,
            foundRows: !!o.found_rows, compress: !!o.compress, ssl: process.env.DB_TLS === '1' ? { rejectUnauthorized: false } : undefined,
            permitLocalInfile: true, dateStrings: true, timezone: 'Z', metaEnumerable: true, connectTimeout: 10000, keepEof: false,
        });
        fresh.on('error', error => say('event', error.code));
        connection = fresh;
        say('connected', fresh.serverVersion());
    },

    async query(sql) { putResults(await connection.query(sql)); },
    warnings() { return scenario.query('SHOW WARNINGS'); },

    async stream(sql, count) {
        let left = +count;
        const stream = connection.queryStream(sql);
        for await (const row of stream) if (left-- > 0) say('row', row.map(shown).join(' '));
    },

    /* Sent at once: the connector does not wait for an answer before it sends the next. */
    async async(sql) {
        const all = await Promise.allSettled([sql, 'SELECT nothing', sql, 'SELECT 2', "UPDATE people SET visits = visits WHERE id = 100"].map(text => connection.query(text)));
        for (const one of all) one.status === 'fulfilled' ? putResults(one.value) : putError(one.reason);
    },

    async prepare(name, sql) {
        delete statements[name];
        const statement = await connection.prepare(sql);
        statements[name] = [sql, statement];
        say('prepared', statement.parameterCount);
        putMeta(statement.columns ?? []);
    },

    async execute(name, ...texts) {
        if (!statements[name]) throw new Unsupported('not prepared');
        const values = texts.map(value);
        putResults(await statements[name][1].execute(values));
        if (/^select/i.test(statements[name][0])) putResults(await connection.query(statements[name][0], values));
    },

    async close(name) {
        statements[name]?.[1].close();
        delete statements[name];
    },

    async many(sql, ...rows) { putResults(await connection.batch(sql, rows.map(row => row.split(',').map(value)))); },

    async call(name, ...texts) {
        putResults(await connection.execute(`CALL ${name}(${texts.map(() => '?').join(', ')})`, texts.map(value)));
    },

    async begin() { await connection.beginTransaction(); say('begun'); },
    async commit() { await connection.commit(); say('committed'); },
    async rollback() { await connection.rollback(); say('rolled back'); },
    async autocommit(on) { return scenario.query(`SET autocommit = ${on}`); },
    async ping() { await connection.ping(); say('pong', connection.isValid()); },
    async reset() { await connection.reset(); say('reset'); },
    async change_user(user, password, database) { await connection.changeUser({ user, password, database }); say('changed'); },
    async load(sql, content) { await withFile(content, name => scenario.query(sql.replace('$FILE', name))); },

    async big(size) {
        const content = bigContent(+size);
        for (const way of ['query', 'execute']) {
            putResults(await connection[way]("INSERT INTO notes (title, body) VALUES ('big', ?)", [content]));
            for (const row of await connection[way]("SELECT body, LENGTH(body) FROM notes WHERE title = 'big'")) say(row.map(shown).join(' '), content.equals(row[0]));
        }
        await scenario.query("DELETE FROM notes WHERE title = 'big'");
    },
};

runPlan(scenario);
