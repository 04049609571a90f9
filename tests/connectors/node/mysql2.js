/* node's mysql2 through the common scenario: node mysql2.js PLAN. */
'use strict';
const fs = require('fs');
const mysql = require('mysql2');
const { value, shown, say, putError, withFile, bigContent, options, Unsupported, runPlan } = require('./common.js');

let connection = null;
const statements = {};

const call = (object, method, ...args) => new Promise((resolve, reject) =>
    object[method](...args, (error, ...results) => error ? reject(error) : resolve(results)));

function putFields(fields) {
    for (const f of fields)
        say('column', f.name, `| type=${f.columnType ?? f.type} charset=${f.characterSet} ${f.encoding} |`, `decimals=${f.decimals}`,
            f.schema, f.table, f.orgTable, f.orgName, `length=${f.columnLength}`, `flags=${f.flags}`);
}

function putResult(result, fields) {
    if (result && result.constructor.name === 'ResultSetHeader') {
        say('result', JSON.stringify(result));
        return;
    }
    if (fields) putFields(fields);
    for (const row of result) say('row', row.map(shown).join(' '));
    say('result', result.length, 'rows');
}

/* One result, or an array of them with an array of arrays of fields. */
function putResults(results, fields) {
    const many = Array.isArray(results) && Array.isArray(fields) && fields.length > 0 && (fields[0] === undefined || Array.isArray(fields[0]));
    if (many) results.forEach((result, i) => putResult(result, fields[i]));
    else putResult(results, fields);
}

const scenario = {
    async end() {
        if (connection) await call(connection, 'end').catch(putError);
        connection = null;
    },

    async connect(...words) {
        const o = options(words);
        if (connection) connection.destroy();
        const flags = [o.found_rows ? '+FOUND_ROWS' : '-FOUND_ROWS'];
        connection = mysql.createConnection({
            host: process.env.DB_HOST, port: +process.env.DB_PORT, user: o.user ?? process.env.DB_USER,
            password: o.password ?? (o.user ? '' : process.env.DB_PASSWORD), database: o.db ?? process.env.DB_NAME,
            charset: { gbk: 'GBK_CHINESE_CI', latin1: 'LATIN1_SWEDISH_CI' }[o.charset] ?? 'UTF8MB4_GENERAL_CI',
            multipleStatements: !!o.multi, rowsAsArray: true, supportBigNumbers: true, dateStrings: true, timezone: 'Z', flags,
            compress: !!o.compress, ssl: process.env.DB_TLS === '1' ? { rejectUnauthorized: false } : undefined,
            infileStreamFactory: name => fs.createReadStream(name),
        });
        connection.on('error', error => say('event', error.code));
        await new Promise((resolve, reject) => connection.connect(error => error ? reject(error) : resolve()));
        say('connected', connection._handshakePacket.serverVersion, connection._handshakePacket.protocolVersion);
    },

    async query(sql) {
        const [results, fields] = await call(connection, 'query', sql);
        putResults(results, fields);
    },

    warnings() { return scenario.query('SHOW WARNINGS'); },

    async stream(sql, count) {
        await new Promise((resolve, reject) => {
            let left = +count;
            const query = connection.query(sql);
            query.on('result', row => { if (Array.isArray(row) && left-- > 0) say('row', row.map(shown).join(' ')); });
            query.on('error', reject);
            query.on('end', resolve);
        });
    },

    /* Three at once: mysql2 sends each when the one before was answered. */
    async async(sql) {
        const all = await Promise.all([1, 2, 3].map(() => call(connection, 'query', sql)));
        for (const [results, fields] of all) putResults(results, fields);
    },

    async prepare(name, sql) {
        const [statement] = await call(connection, 'prepare', sql);
        statements[name] = [sql, statement];
        say('prepared', statement.parameters.length, 'parameters', statement.columns.length, 'columns');
        putFields(statement.columns);
    },

    async execute(name, ...texts) {
        if (!statements[name]) throw new Unsupported('not prepared');
        const values = texts.map(value);
        const [results, fields] = await call(statements[name][1], 'execute', values);
        putResults(results, fields);
        if (/^select/i.test(statements[name][0])) {
            const [again, itsFields] = await call(connection, 'query', statements[name][0], values);
            putResults(again, itsFields);
        }
    },

    async close(name) {
        statements[name]?.[1].close();
        delete statements[name];
    },

    async many(sql, ...rows) {
        const [results, fields] = await call(connection, 'query', sql.replace(/VALUES \(.*\)$/, 'VALUES ?'),
            /VALUES/.test(sql) ? [rows.map(row => row.split(',').map(value))] : rows[0].split(',').map(value));
        putResults(results, fields);
    },

    async call(name, ...texts) {
        const sql = `CALL ${name}(${texts.map(text => text === 'out:' ? '@out' : '@in').join(', ')})`;
        await call(connection, 'query', 'SET @in = ?', [value(texts[0])]);
        const [results, fields] = await call(connection, 'query', sql);
        putResults(results, fields);
    },

    async begin() { await call(connection, 'beginTransaction'); say('begun'); },
    async commit() { await call(connection, 'commit'); say('committed'); },
    async rollback() { await call(connection, 'rollback'); say('rolled back'); },
    async autocommit(on) { return scenario.query(`SET autocommit = ${on}`); },
    async ping() { await call(connection, 'ping'); say('pong'); },
    async reset() {
        if (!connection.reset) throw new Unsupported('reset');
        await call(connection, 'reset');
        say('reset');
    },

    async change_user(user, password, database) {
        await call(connection, 'changeUser', { user, password, database });
        say('changed');
    },

    async load(sql, content) { await withFile(content, name => scenario.query(sql.replace('$FILE', name))); },

    async big(size) {
        const content = bigContent(+size);
        for (const way of ['query', 'execute']) {
            const [result] = await call(connection, way, "INSERT INTO notes (title, body) VALUES ('big', ?)", [content]);
            putResult(result);
            const [rows] = await call(connection, way, "SELECT body, LENGTH(body) FROM notes WHERE title = 'big'");
            for (const row of rows) say(row.map(shown).join(' '), content.equals(row[0]));
        }
        await scenario.query("DELETE FROM notes WHERE title = 'big'");
    },
};

runPlan(scenario);
