import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const attention = load('spa-knockd/attention');
const forwards = load('spa-knockd/forwards');

const GOOD = { ok: true, ready: true, not_ready: [], warnings: [], exposed: [], not_examined: [] };
const OFF = '/etc/config/spa-knockd:6: spa-knockd \'main\', option enabled \'0\': the daemon is switched off; write option enabled \'1\' when the keys are in place';

const texts = given => attention.compose(given).map(({ grave, text }) => (grave ? '!' : '') + text);

test('nothing is said where nothing is wrong', () => {
	assert.deepEqual(texts({ status: GOOD, check: { ok: true, warnings: [], notes: [] } }), []);
	assert.deepEqual(texts({ status: GOOD, check: null }), []);
});

test('a daemon that is away is told from one that is switched off, and from one that cannot start', () => {
	const status = { ok: false, kind: 'away', error: 'no daemon listens' };

	assert.match(texts({ status, check: null })[0], /^!spa-knockd does not run, so every knock is ignored/);
	assert.deepEqual(texts({ status, check: { ok: false, faults: [ OFF ] } }).map(text => text.slice(0, 30)), [ '!spa-knockd is switched off, so' ].map(text => text.slice(0, 30)));
	assert.deepEqual(texts({ status, check: { ok: false, faults: [ 'line 3: bad' ] } }), [ '!spa-knockd does not run, because its configuration has mistakes.', '!line 3: bad' ]);
});

test('every other failure is said in its own sentence', () => {
	assert.deepEqual(texts({ status: { ok: false, kind: 'plugin', error: 'install it' }, check: { ok: false, kind: 'plugin', error: 'install it' } }), [ '!install it' ]);
	assert.deepEqual(texts({ status: undefined, check: null }), [ '!The router did not answer.' ]);
});

test('the grave comes first and nothing twice', () => {
	const status = { ...GOOD, ready: false, not_ready: [ 'no set', 'the clock is not set: why' ], warnings: [ 'no helper', 'no helper' ], not_examined: [ 'too large' ] };
	const check = { ok: true, warnings: [ 'no helper', "/etc/config/spa-knockd:9: access 'bob': no HMAC key", 'tcp/22 is open; remove it, or the knock guards nothing' ], notes: [ 'note' ] };

	assert.deepEqual(texts({ status, check }), [ '!no set', '!the clock is not set: why', 'no helper', 'too large', "/etc/config/spa-knockd:9: access 'bob': no HMAC key" ]);

	const [ link ] = attention.compose({ status, check }).at(-1).links;

	assert.equal(link.page, 'services/spa-knockd/users');
	/* Where the daemon is away, what `check` sees is all there is. */
	assert.equal(texts({ status: { ok: false, kind: 'away' }, check }).length, 5);
});

test('a configuration with a mistake beside a daemon that runs by the one before', () => {
	assert.deepEqual(texts({ status: GOOD, check: { ok: false, faults: [ 'line 3: bad' ] } }), [ '!line 3: bad', 'Because of these mistakes, spa-knockd still works by the configuration before them.' ]);
	assert.deepEqual(texts({ status: GOOD, check: { ok: false, faults: [ OFF ] } }), [ 'spa-knockd is switched off in the settings, but still runs.' ]);
});

test('an open port that is a port forward comes with the way to guard it', () => {
	const exposed = { proto: 'tcp', port: 2222, redirect: { comment: '!fw4: ssh' }, to: '192.168.1.10:22', text: 'English' };
	const redirects = forwards.open([ { '.name': 'r1', name: '<b>ssh</b>', src: 'wan', proto: 'tcp', src_dport: '2222', dest_ip: '192.168.1.10', dest_port: '22' } ]);
	const [ entry ] = attention.compose({ status: { ...GOOD, exposed: [ exposed ] }, check: null, redirects });

	assert.match(entry.text, /^tcp\/2222 leads everybody to 192\.168\.1\.10:22, by the port forward "<b>ssh<\/b>"/);
	assert.deepEqual(entry.links.map(({ page, query }) => [ page, query ]), [
		[ 'services/spa-knockd/users', '?forward=tcp%2F2222%3D192.168.1.10%3A22' ],
		[ 'network/firewall/forwards', undefined ]
	]);
	/* Without the firewall's rights, the daemon's own words. */
	assert.deepEqual(texts({ status: { ...GOOD, exposed: [ exposed ] }, check: null, redirects: [] }), [ '!English' ]);
	assert.deepEqual(texts({ status: { ...GOOD, exposed: [ { ...exposed, to: '192.168.1.11:22' } ] }, check: null, redirects }), [ '!English' ]);
});
