/* One-time passwords: what is known of them in words, the card, and what is asked of the router. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { load } from './load.mjs';

const attention = load('spa-knockd/attention');
const holders = load('spa-knockd/holders');

const ROWS = [
	{ user: 'alice', enabled: true, kind: 'chain', left: 48, few: false, paused: null, error: null },
	{ user: 'bob', enabled: true, kind: 'chain', left: 3, few: true, paused: null, error: null },
	{ user: 'carol', enabled: true, kind: 'chain', left: 0, few: true, paused: null, error: null },
	{ user: 'dave', enabled: true, kind: 'totp', left: null, few: false, paused: 125, error: null },
	{ user: 'erin', enabled: false, kind: 'hotp', left: null, few: false, paused: null, error: null },
	{ user: 'frank', enabled: true, kind: null, left: null, few: false, paused: null, error: '/etc/frank: the record is damaged' }
];
const REPLY = { ok: true, users: ROWS, without: [ 'grace' ], throttled: 2, page: null };

test('what each user has is told in words, and what is to be done', () => {
	const known = holders.create();

	assert.equal(known.passwords('alice'), 'not known');
	assert.equal(known.update(REPLY), null);
	assert.deepEqual([ ...ROWS.map(row => row.user), 'grace' ].map(known.passwords), [
		'Card: 48 left', 'Card: only 3 left, make new ones', 'Card: none left, make new ones', 'App', 'Counting app', 'damaged: make new ones', 'none yet: make new ones'
	]);
	assert.equal(known.lock('dave'), 'locked for 2 min 5 s; two codes in a row are taken');
	assert.deepEqual([ 'alice', 'dave', 'nobody' ].map(known.isPaused), [ false, true, false ]);
	assert.equal(known.lock('alice'), 'not locked');
	assert.deepEqual(known.orphans([ 'alice', 'bob', 'carol', 'dave', 'erin' ]).map(row => row.user), [ 'frank' ]);
	assert.match(known.throttled(), /: 2\.$/);
	/* A router that is away is not one without users. */
	assert.equal(known.update({ ok: false, error: 'away' }), 'away');
	assert.equal(known.passwords('alice'), 'not known');
	assert.deepEqual(known.orphans([]), []);
	assert.equal(known.throttled(), '');
});

test('the status page warns of passwords that come to their end, but not of users who are switched off', () => {
	const status = { ok: true, ready: true, not_ready: [], warnings: [], exposed: [], not_examined: [] };
	const texts = otp => attention.compose({ status, check: null, otp }).map(({ grave, text }) => (grave ? '!' : '') + text);

	assert.deepEqual(texts(REPLY), [
		'/etc/frank: the record is damaged',
		'carol has no one-time password left and cannot get in: make new ones.',
		'bob has only 3 one-time passwords left: make new ones.',
		'grace has no one-time passwords yet: make some.'
	]);
	assert.deepEqual(texts(null), []);
	assert.deepEqual(texts({ ok: false, error: 'the router is older' }), []);
	assert.deepEqual(texts({ ok: true, users: ROWS.map(row => ({ ...row, enabled: false })), without: [], page: null }), []);
});

test('a page that cannot be there, or is seen without TLS, or by nobody, is told', () => {
	const page = { port: 8443, plain_port: null, certificate: true, server: true };
	const texts = (more, users = ROWS) => attention.ofPage({ ok: true, users, without: [], page: { ...page, ...more } }).map(entry => entry.text);

	assert.deepEqual(texts({}), []);
	assert.match(texts({ plain_port: 8080 })[0], /without TLS at port 8080/);
	assert.match(texts({ certificate: false })[0], /no certificate .* at port 8443/);
	assert.match(texts({ server: false, certificate: false }).join('|'), /^[^|]*install the package uhttpd[^|]*$/);
	assert.deepEqual(texts({ port: null, server: false, certificate: false }), []);
	assert.match(texts({}, [])[0], /no user has any/);
	assert.deepEqual(attention.ofPage({ ok: true, users: [], page: null }), []);

	/* The same is not said twice, once by `check`. */
	const check = { ok: true, warnings: [ "x:3: page 'page': no section of one-time passwords is switched on, so there is no page; write config otp 'NAME'" ], notes: [] };
	const status = { ok: true, ready: true };
	const all = attention.compose({ status, check, otp: { ok: true, users: [], without: [], page } });

	assert.equal(all.length, 1);
	assert.equal(all[0].links[0].page, 'services/spa-knockd/passwords');
});

test('the card has the next password on top, as the command line prints it', () => {
	const card = load('spa-knockd/card');
	const reply = { user: 'alice', kind: 'chain', algorithm: 'md5', seed: 'ke1234', date: '2030-12-31', passwords: [ { number: 99, words: 'BOND FOGY DRAB NE RISE MART' }, { number: 8, words: 'A B C D E F' } ] };

	assert.equal(card.text(reply), 'One-time passwords of alice\notp-md5 ke1234, 2030-12-31\nUse them from the top down, strike each out.\n\n'
		+ '[ ]   99  BOND FOGY DRAB NE RISE MART\n[ ]    8  A B C D E F\n');
	assert.equal(card.screen(reply), 'otp-md5 ke1234, 2030-12-31\n\n  99  BOND FOGY DRAB NE RISE MART\n   8  A B C D E F\n');
});

test('the router is asked for what the form says, and for nothing of another kind', () => {
	const given = { _name: 'a', _count: '30', _digits: '8', _passphrase: 'a long passphrase', _again: 'a long passphrase' };
	const stubs = { form: {}, ui: {}, uci: {}, knock: {}, shownonce: {}, fields: {} };
	const { wanted } = load('spa-knockd/newpasswords', stubs);

	assert.deepEqual(wanted({ ...given, _kind: 'chain', _source: 'chance' }), { kind: 'chain', passphrase: undefined, count: 30, digits: undefined });
	assert.deepEqual(wanted({ ...given, _kind: 'chain', _source: 'typed' }), { kind: 'chain', passphrase: 'a long passphrase', count: 30, digits: undefined });
	assert.deepEqual(wanted({ ...given, _kind: 'totp', _source: 'typed' }), { kind: 'totp', passphrase: undefined, count: undefined, digits: 8 });
});

test('the options of a user of passwords agree with each other', () => {
	const agree = load('spa-knockd/agree');
	const faults = values => Object.keys(agree.otp({ enabled: '1', open: [ 'tcp/22' ], ...values })).sort();

	assert.deepEqual(faults({}), []);
	assert.deepEqual(faults({ open: [] }), [ 'open' ]);
	assert.deepEqual(faults({ open: [], enabled: '0' }), []);
	assert.deepEqual(faults({ open: [], forward: 'tcp/22=192.168.1.10:22' }), []);
	assert.deepEqual(faults({ snat: 'masquerade', forward_all: '1', allow_md4: 'x', allow_new_chain: 'x', source: [ 'any', '192.0.2.1' ] }), [ 'allow_md4', 'allow_new_chain', 'forward_all', 'snat', 'source' ]);
});

test('the page has ports that nobody else has', () => {
	const agree = load('spa-knockd/agree');
	const faults = (values, main) => Object.keys(agree.page({ enabled: '1', ...values }, main, [ { enabled: '1', open: 'tcp/8443' } ])).sort();

	assert.deepEqual(faults({}, {}), []);
	assert.deepEqual(faults({ plain_port: '8443' }, {}), [ 'plain_port' ]);
	assert.deepEqual(faults({ port: '0' }, { tcp_listen: '8443' }), []);
	assert.deepEqual(faults({ port: '0', plain_port: '0' }, {}), []);
	assert.deepEqual(faults({ port: '0', plain_port: '8080' }, {}), [ 'plain_port' ]);
	assert.deepEqual(faults({ cert: '/etc/uhttpd.crt' }, {}), [ 'cert' ]);
	assert.deepEqual(faults({ key: '/etc/uhttpd.key' }, {}), [ 'key' ]);
	assert.deepEqual(faults({ cert: '/etc/uhttpd.crt', key: '/etc/uhttpd.key' }, {}), []);
	assert.deepEqual(faults({}, { tcp_listen: '8443' }), [ 'port' ]);
	assert.deepEqual(faults({ enabled: '0' }, { tcp_listen: '8443' }), []);
	assert.deepEqual(faults({}, { firewall: 'standalone' }), [ 'port' ]);
	assert.deepEqual(faults({ port: '8444', plain_port: '8080' }, { firewall: 'standalone', protect: [ 'tcp/08080' ] }), [ 'plain_port' ]);
	assert.deepEqual(Object.keys(agree.main({ tcp_listen: '8443' }, [], { enabled: '1' })), [ 'tcp_listen' ]);
	assert.deepEqual(Object.keys(agree.main({ tcp_listen: '8443' }, [], { enabled: '0' })), []);
});

test('each reason of the log has words on the pages', () => {
	const words = load('spa-knockd/words');
	const { table } = load('spa-knockd/otpreasons');
	const log = readFileSync(new URL('../../docs/one-time-passwords.md', import.meta.url), 'utf8').split('## In the log')[1];
	const codes = [ ...log.matchAll(/`(otp_\w+)`/g) ].map(([ , code ]) => code);

	assert.ok(codes.length >= 16, codes.join(' '));
	/* The page may know one of a daemon that is newer. */
	assert.deepEqual(codes.filter(code => !Object.hasOwn(table, code)), []);
	assert.equal(words.reason('otp_replay'), table.otp_replay);
	assert.match(words.reason('otp_nonsense'), /does not know: otp_nonsense$/);
});
