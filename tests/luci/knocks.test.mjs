import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const verdict = load('spa-knockd/verdict');
const waiting = load('spa-knockd/waiting');

const GRANT = { packet: 'the packet', captured: true, verdict: 'grant', reason: null, access: 'alice', awaits: null, stanzas: [ { access: 'alice', reason: null } ], fields: null, grants: [] };

test('a knock that would be honoured says what it opens', () => {
	const door = (kind, proto, port, to) => ({ kind, source: '192.0.2.1', proto, port, to, timeout: 30 });
	const told = verdict.tell({ ...GRANT, grants: [ door('input', 'tcp', 22, null), door('dnat', 'tcp', 2222, '192.168.1.10:22'), door('forward', null, null, '192.168.1.10:22'),
		door('snat', 'tcp', 22, 'masquerade'), door('command', null, null, 'wol') ] });

	assert.ok(told.good);
	assert.equal(told.title, 'This knock would be honoured, for "alice".');
	assert.deepEqual(told.lines, [
		'192.0.2.1 could reach tcp/22 for 30 s.',
		'192.0.2.1 would be led from tcp/2222 to 192.168.1.10:22 for 30 s.',
		'192.0.2.1 could reach every port at 192.168.1.10 for 30 s.',
		'192.0.2.1 would reach tcp/22 as if it were the router.',
		'The command "wol" would run.'
	]);
	assert.deepEqual(told.stanzas, [ { access: 'alice', text: 'Honours it.' } ]);
});

test('a good knock that nobody would hear is not called good', () => {
	const told = verdict.tell({ ...GRANT, captured: false, awaits: 'nas.lan' });

	assert.ok(!told.good);
	assert.match(told.title, /would not be heard/);
	assert.match(told.lines[0], /nas\.lan/);
});

test('a refusal has its reason, and each stanza its own', () => {
	const told = verdict.tell({ ...GRANT, verdict: 'refuse', reason: 'too_old', stanzas: [ { access: 'bob', reason: 'hmac' }, { access: 'alice', reason: 'too_old' } ],
		fields: { user: '<script>', timestamp: 1, version: '3.0', message: '192.0.2.1,tcp/22', nat: null, client_timeout: 0, digest: 'sha256' } });

	assert.equal(told.title, 'This knock would be refused, for "alice".');
	/* Whose keys do not fit is not the one that the packet is from. */
	assert.equal(verdict.tell({ ...GRANT, verdict: 'refuse', reason: 'hmac' }).title, 'This packet would be refused.');
	assert.match(told.lines[0], /^The knock is older than "max_age"/);
	assert.match(told.stanzas[0].text, /^The HMAC is wrong/);
	assert.deepEqual(told.fields.map(([ name ]) => name), [ 'User in the knock', 'Made at', 'Asks for', 'Seconds asked for', 'Client version', 'Digest' ]);
	assert.ok(told.fields.every(([ , value ]) => typeof(value) == 'string'));
	assert.equal(verdict.tell({ ...GRANT, verdict: 'refuse', reason: 'size', access: null, stanzas: [] }).title, 'This packet would be refused.');
});

const status = (uptime, refused = {}, received = 0, honoured = 0) => ({ ok: true, uptime, refused, honoured, devices: [ { received }, { received: null } ] });
const events = (...list) => ({ ok: true, events: list.map(([ number, kind ]) => ({ number, kind })) });

test('only what comes after the beginning counts as the next knock', () => {
	const start = waiting.begin(status(10), events([ 3, 'grant' ], [ 4, 'reload' ]));

	assert.deepEqual(waiting.since(start, status(12), events([ 3, 'grant' ], [ 4, 'reload' ])).knocks, []);
	assert.deepEqual(waiting.since(start, status(12), events([ 4, 'reload' ], [ 5, 'firewall' ], [ 6, 'refuse' ], [ 7, 'grant' ])).knocks.map(event => event.number), [ 6, 7 ]);
	/* A daemon that was started meanwhile counts from 0. */
	assert.deepEqual(waiting.since(start, status(1), events([ 0, 'grant' ])).knocks.map(event => event.number), [ 0 ]);
});

test('junk moves counters, and silence moves nothing', () => {
	const start = waiting.begin(status(10, { hmac: 1 }), events());
	const quiet = waiting.since(start, status(12, { hmac: 1 }), events());

	assert.deepEqual([ quiet.junk, quiet.refused, quiet.arrived ], [ [], [], false ]);

	const junk = waiting.since(start, status(12, { hmac: 3, replay: 1 }), events());

	assert.deepEqual(junk.junk.map(({ code, count }) => [ code, count ]), [ [ 'hmac', 2 ] ]);
	assert.deepEqual(junk.refused.map(({ code }) => code), [ 'replay' ]);
	assert.ok(junk.arrived);
	assert.ok(waiting.since(start, status(12, { hmac: 1 }, 5), events()).arrived);
});
