/*
 * What no browser sends, through a real web server; in the order of these tests.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ask, challenge, FORM, isOpen, ME6, PAGE, PLAIN, password, post, title } from './visitor.mjs';

const [ STRANGER, ANOTHER, THIRD, RACER ] = [ 66, 67, 68, 69 ].map(last => `203.0.113.${last}`);

/* A login from an address, with a form that was made for it. */
async function login(user, response, from) {
	const { token } = await challenge(user, from);

	return post({ do: 'open', token, user, response }, { from });
}

test('every refusal is the same page, after the same time', async () => {
	const { challenge: asked } = await challenge('carol', STRANGER);
	const { words } = password(asked);
	const opened = await login('carol', words, STRANGER);

	assert.deepEqual([ opened.status, title(opened.text) ], [ 200, 'It is open' ]);
	assert.ok(await isOpen(22, STRANGER));

	const refused = await Promise.all([
		login('carol', 'TONE NELL RACY GRIN ROOM GELD', STRANGER),
		login('carol', 'no such thing', STRANGER),
		login('carol', words, ANOTHER),
		login('phone', '000000', ANOTHER),
		login('nobody-of-that-name', words, THIRD),
		login('<b>', words, THIRD)
	]);
	/* By now the stranger has been wrong too often to be looked at. */
	const many = await Promise.all(Array.from({ length: 6 }, () => login('alice', '0123456789abcdef', STRANGER)));

	for (const { status, headers, text, time } of [ ...refused, ...many ]) {
		const { date, ...rest } = headers, { date: first, ...known } = refused[0].headers;

		assert.deepEqual([ status, title(text) ], [ 403, 'Nothing was opened' ]);
		assert.ok(date && first);
		assert.deepEqual(rest, known);
		assert.equal(text, refused[0].text);
		assert.ok(time > 990, `after ${time} ms`);
	}
});

test('a name that nobody has gets a form like any other', async () => {
	const shape = text => text.split('</style>')[1].replaceAll(/(?<=value="|<code class=big>|<dd>|<dd><code>)[^<"]*/g, '');
	const form = async user => shape((await ask({ url: `${PAGE}?user=${user}` })).text);
	const known = await Promise.all([ 'alice', 'bob', 'carol', 'phone' ].map(form));

	for (const user of [ 'nobody', 'root', '%3Cb%3E' ])
		assert.ok(known.includes(await form(user)), user);
});

test('of a hundred posts of one password at once, exactly one opens', async () => {
	const { token, challenge: asked } = await challenge('bob', RACER);
	const fields = { do: 'open', token, user: 'bob', response: password(asked).words };
	const answers = await Promise.all(Array.from({ length: 100 }, () => post(fields, { from: RACER })));
	const counts = {};

	for (const { text } of answers)
		counts[title(text)] = (counts[title(text)] ?? 0) + 1;

	const { 'It is open': opened, 'Nothing was opened': refused = 0, 'One moment': busy = 0 } = counts;

	assert.equal(opened, 1, JSON.stringify(counts));
	assert.equal(refused + busy, 99, JSON.stringify(counts));
	assert.ok(refused > 0, JSON.stringify(counts));
	assert.ok(await isOpen(22, RACER));
});

test('every bad request has a page that says so, and no other', async () => {
	const { token } = await challenge('carol', STRANGER);
	const good = `do=open&token=${token}&user=carol&response=x`;
	const megabyte = 'x'.repeat(1 << 20);
	const bad = [
		[ 413, post(`${good}&x=${megabyte}`) ],
		[ 413, post(megabyte) ],
		[ 415, post(good, { headers: { 'Content-Type': 'text/plain' } }) ],
		[ 415, post(good, { headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }) ],
		[ 405, ask({ method: 'DELETE' }) ],
		[ 405, ask({ method: 'PUT', headers: { 'Content-Type': FORM, 'Content-Length': good.length }, body: good }) ],
		[ 403, post(good, { headers: { Origin: 'https://evil.example' } }) ],
		[ 403, post(good, { headers: { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' } }) ],
		[ 421, ask({ headers: { Host: 'evil.example' } }) ],
		[ 400, ask({ url: `${PAGE}?user=carol&user=carol` }) ],
		/* lighttpd refuses these by itself. */
		[ 400, ask({ url: `${PLAIN}?user=%00`, from: ME6 }) ],
		[ 400, ask({ url: `${PLAIN}?user=%ff`, from: ME6 }) ],
		[ 400, ask({ url: `${PAGE}?user=${'x'.repeat(300)}` }) ],
		...[ '', `${good}&response=x`, `${good}&user=carol`, `${good}&token=${token}`, `${good}&do=open`, `${good}&root=1`,
			good.replace('carol', '%00'), good.replace('carol', '%e2%82'), good.replace('carol', 'x'.repeat(65)),
			good.replace('open', 'own'), good.replace('response=', 'response='.padEnd(200, 'x')), good.replace('&token', '&tok%00en'),
			`${good}&service=any`, `${good}&service=tcp/0`, '%', '&&&', '='.repeat(8000) ].map(body => [ 400, post(body) ])
	];

	for (const [ status, answer ] of bad) {
		const { status: got, headers, text } = await answer;

		assert.equal(got, status, text.split('</style>').at(-1));
		assert.match(headers['content-security-policy'] ?? `none, but ${text}`, /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/);
		assert.deepEqual([ headers['x-frame-options'], headers['cache-control'], headers['referrer-policy'], headers['x-content-type-options'] ],
			[ 'DENY', 'no-store', 'no-referrer', 'nosniff' ]);
		assert.doesNotMatch(text, /x{65}|evil|\/run|web\.sock|spa-knock/);
	}

	const head = await ask({ method: 'HEAD' });

	assert.deepEqual([ head.status, head.text ], [ 200, '' ]);
});

test('an argument, a path or a header of the visitor changes nothing', async () => {
	for (const query of [ '--help', 'run', '--socket+/tmp/x' ])
		assert.equal((await ask({ url: `${PAGE}?${query}` })).status, 400, query);

	const forged = await ask({ headers: { 'X-Forwarded-For': '192.0.2.1', Proxy: 'http://192.0.2.1', Forwarded: 'for=192.0.2.1' } });

	assert.equal(forged.status, 200);

	const { text } = await ask({ url: `${PAGE}?user=carol`, headers: { 'X-Forwarded-For': '192.0.2.1' } });

	assert.match(text, /203\.0\.113\.66/);
	assert.doesNotMatch(text, /192\.0\.2\.1/);
});

test('after all of that a right password opens, and no log has one', async () => {
	const { challenge: asked } = await challenge('carol', THIRD);
	const { words, hex } = password(asked);
	const opened = await login('carol', words, ANOTHER);

	assert.equal(title(opened.text), 'It is open');

	const log = readFileSync(process.env.LOG, 'utf8');

	assert.ok(!log.includes(words) && !log.includes(hex));
	assert.doesNotMatch(log, /[1-9a-f][0-9a-f]{15}/);
});
