/* What the two node programs share: reading the plan, values, printing. A line of the plan is an operation, its fields
 * separated by tabs; what run.py made of cases.txt. */
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');

const unescape = field => field.replace(/\\(.)/g, (_, c) => ({ t: '\t', n: '\n' })[c] ?? c);

/* KIND:TEXT as JavaScript's value. */
function value(text) {
    const at = text.indexOf(':');
    const kind = text.slice(0, at), rest = text.slice(at + 1);
    switch (kind) {
    case 'null':
    case 'out': return null;
    case 'int': return parseInt(rest, 10);
    case 'big': return BigInt(rest);
    case 'double': return parseFloat(rest);
    case 'blob': return Buffer.from(rest, 'hex');
    case 'date': return new Date(rest.replace(' ', 'T') + 'Z');
    default: return rest;
    }
}

function shown(item) {
    if (item === null || item === undefined) return String(item);
    if (Buffer.isBuffer(item))
        return item.length > 200 ? `Buffer(${item.length}, ${crypto.createHash('md5').update(item).digest('hex')})` : `Buffer(${item.toString('hex')})`;
    if (typeof item === 'string')
        return item.length > 400 ? `(${item.length}, ${crypto.createHash('md5').update(item).digest('hex')})` : JSON.stringify(item);
    if (typeof item === 'bigint') return item + 'n';
    if (item instanceof Date) return isNaN(item) ? 'invalid date' : item.toISOString();
    if (typeof item === 'object') return JSON.stringify(item, (_, v) => typeof v === 'bigint' ? v + 'n' : v);
    return `${typeof item} ${item}`;
}

const say = (...words) => fs.writeSync(1, words.join(' ') + '\n');

function putError(error) {
    if (error.errno === undefined && error.code === undefined) say('driver:', error.name, error.message);
    else say('error', error.errno, error.code, error.sqlState, error.fatal, error.sqlMessage ?? error.message);
}

function withFile(content, run) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'crossfade-load-'));
    const name = path.join(directory, 'data');
    fs.writeFileSync(name, content ?? '');
    return run(name).finally(() => fs.rmSync(directory, { recursive: true }));
}

const bigContent = size => Buffer.alloc(size, "0123456789abcdef'\\\n\0");

const options = words => Object.fromEntries(words.map(word => { const at = word.indexOf('='); return [word.slice(0, at), word.slice(at + 1)]; }));

class Unsupported extends Error {}

async function runPlan(scenario) {
    for (const line of fs.readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean)) {
        const [operation, ...fields] = line.split('\t').map(unescape);
        say('>', line.slice(0, 180));
        try {
            if (operation === 'section') continue;
            if (!scenario[operation]) throw new Unsupported(operation);
            await scenario[operation](...fields);
        } catch (error) {
            if (error instanceof Unsupported) say('unsupported:', error.message);
            else putError(error);
        }
    }
    await scenario.end();
}

module.exports = { value, shown, say, putError, withFile, bigContent, options, Unsupported, runPlan };
