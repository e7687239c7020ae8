import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const words = load('spa-knockd/words');

test('times are said in the two largest units', () => {
	assert.deepEqual(
		[ -1, 0, 1.9, 119, 120, 3599, 3600, 86399, 86400, 1e6, NaN, undefined ].map(seconds => words.duration(seconds)),
		[ '0 s', '0 s', '1 s', '119 s', '2 min 0 s', '59 min 59 s', '1 h 0 min', '23 h 59 min', '1 d 0 h', '11 d 13 h', '0 s', '0 s' ]
	);
});

test('a countdown goes on between two looks and never says that nothing is left', () => {
	assert.equal(words.left(100, 70.2), '30 s');
	assert.equal(words.left(100, 99.9), '1 s');
	assert.equal(words.left(100, 100), 'closing');
	assert.equal(words.left(100, 150), 'closing');
	assert.equal(words.left(null, 150), 'until closed by hand');
});

test('each kind of set says what it opens', () => {
	const grant = (set, port, destination, translation) => words.opened({ set, port, destination, translation });

	assert.equal(grant('spa_in4_v1', 'tcp/22', null, null), 'tcp/22');
	assert.equal(grant('spa_to6_v1', 'tcp/22', '2001:db8::10', null), 'tcp/22 at 2001:db8::10');
	assert.equal(grant('spa_dnat4_v1', 'tcp/2222', null, '192.168.1.10:22'), 'tcp/2222, which leads to 192.168.1.10:22');
	assert.equal(grant('spa_snat4_v1', 'tcp/22', '192.168.1.10', '192.168.1.1'), 'tcp/22 at 192.168.1.10, coming from 192.168.1.1');
	assert.equal(grant('spa_masq4_v1', 'tcp/22', '192.168.1.10', null), 'tcp/22 at 192.168.1.10, coming from the router');
	assert.equal(grant('spa_all4_v1', null, '192.168.1.10', null), 'everything of 192.168.1.10');
	assert.equal(grant(undefined, null, null, null), 'every port');
});

test('rows are told apart, and a renewed grant keeps its row', () => {
	const grant = { set: 'spa_in4_v1', source: '192.0.2.1', destination: null, port: 'tcp/22', translation: null, remaining: 9 };

	assert.equal(words.key(grant), words.key({ ...grant, remaining: 30, access: 'bob' }));

	for (const other of [ { source: '192.0.2.2' }, { port: 'udp/22' }, { set: 'spa_net4_v1' }, { destination: '192.0.2.9' }, { translation: '192.0.2.9:1' } ])
		assert.notEqual(words.key(grant), words.key({ ...grant, ...other }));
});

test('a network or a range is revoked by an address in it', () => {
	for (const [ source, address ] of [ [ '192.0.2.1', '192.0.2.1' ], [ '192.0.2.0/24', '192.0.2.0' ], [ '192.0.2.3-192.0.2.9', '192.0.2.3' ], [ '2001:db8::/64', '2001:db8::' ] ])
		assert.equal(words.address({ source }), address);
});

test('events are sentences, and say what the router had to say', () => {
	assert.equal(words.event({ kind: 'grant', source: '192.0.2.1', opened: [ 'tcp/22', 'tcp/80' ], timeout: 30 }), 'Opened tcp/22, tcp/80 for 192.0.2.1, for 30 s.');
	assert.equal(words.event({ kind: 'grant', source: '192.0.2.1', opened: [ 'command wol' ], timeout: 0 }), 'Ran command wol for 192.0.2.1.');
	assert.equal(words.event({ kind: 'revoke', text: 'closed' }), 'closed');
	assert.match(words.event({ kind: 'renew', access: 'alice', text: 'alice has begun' }), /^A new card was begun/);
	assert.equal(words.event({ kind: 'something new' }), '');

	const refused = words.event({ kind: 'refuse', reason: 'port_not_allowed', asked: '192.0.2.1,tcp/25', text: 'English. (3 more since the last line)' });

	assert.match(refused, /^The knock asks for a port .* It asked for: 192\.0\.2\.1,tcp\/25\. 3 more were refused before it\.$/);
	assert.match(words.event({ kind: 'refuse', reason: 'journal', text: 'no space left' }), / no space left$/);
	assert.match(words.event({ kind: 'refuse', reason: 'new_code' }), /new_code/);
	assert.match(words.event({ kind: 'refuse', reason: 'constructor' }), /constructor/);
});

test('refusals are sorted, and strangers told from users', () => {
	const list = words.refusals({ size: 3, replay: 1, hmac: 7, http: 0 });

	assert.deepEqual(list.map(({ code, count, genuine }) => [ code, count, genuine ]), [ [ 'hmac', 7, false ], [ 'size', 3, false ], [ 'replay', 1, true ] ]);
	assert.deepEqual(words.refusals(undefined), []);
});

test('what was counted since, also over a start', () => {
	const before = { uptime: 100, refused: { size: 3, hmac: 5 } };

	assert.deepEqual(words.moved(before, { uptime: 110, refused: { size: 3, hmac: 6, replay: 2 } }).map(({ code, count }) => [ code, count ]).sort(), [ [ 'hmac', 1 ], [ 'replay', 2 ] ]);
	assert.deepEqual(words.moved(before, { uptime: 2, refused: { size: 1 } }).map(({ code, count }) => [ code, count ]), [ [ 'size', 1 ] ]);
});

test('events are read anew after what has a line, and not for junk', () => {
	const status = { honoured: 1, grants: 1, refused: { size: 3, replay: 0 } };

	assert.equal(words.mark(status), words.mark({ ...status, refused: { size: 900, replay: 0 } }));
	assert.notEqual(words.mark(status), words.mark({ ...status, refused: { size: 3, replay: 1 } }));
	assert.notEqual(words.mark(status), words.mark({ ...status, honoured: 2 }));
	assert.notEqual(words.mark(status), words.mark({ ok: false }));
});
