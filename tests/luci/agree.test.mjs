/* What the options of one section say about each other is judged as the daemon's parser judges it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const agree = load('spa-knockd/agree');
const KEY = Buffer.alloc(32, 1).toString('base64');
const HMAC = Buffer.alloc(64, 2).toString('base64');
const GOOD = { key_base64: KEY, hmac_key_base64: HMAC, open: [ 'tcp/22' ] };

/* The options that are wrong with these changes to a good user. */
function wrong(changes) {
	return Object.keys(agree.stanza({ ...GOOD, ...changes })).sort();
}

test('a good user has no fault', () => {
	assert.deepEqual(wrong({}), []);
	assert.deepEqual(wrong({ enabled: 'yes', format: 'fwknop', hmac_digest: 'SHA3_512', encryption_mode: 'Legacy', open: 'any' }), []);
	assert.deepEqual(wrong({ forward: [ 'tcp/2222=192.168.1.10:22', 'tcp/22=[2001:db8::10]:22' ], snat: 'masquerade', forward_all: '1', disable_dnat: 'on' }), []);
	assert.deepEqual(wrong({ forward: [ 'tcp/22=192.168.1.10:22', 'tcp/22=[2001:db8::10]:22' ], open: null }), []);
	assert.deepEqual(wrong({ command: [ 'a=/x', 'b=/y' ], on_open: 'a', on_close: 'b', open: [] }), []);
	assert.deepEqual(wrong({ allow_local_nat: '1', disable_dnat: '1' }), []);
});

test('a user that is switched off may come without keys and ports', () => {
	assert.deepEqual(wrong({ enabled: '0', key_base64: '', hmac_key_base64: '', open: [] }), []);
	assert.deepEqual(wrong({ enabled: 'off', key_base64: 'CHANGEME', hmac_key_base64: '__CHANGEME__' }), []);
	assert.deepEqual(wrong({ enabled: '1', key_base64: 'CHANGEME' }), [ 'key_base64' ]);
});

test('keys', () => {
	assert.deepEqual(wrong({ key_base64: '' }), [ 'key_base64' ]);
	assert.deepEqual(wrong({ hmac_key_base64: '' }), []);
	assert.deepEqual(wrong({ key: 'pass' }), [ 'key_base64' ]);
	assert.deepEqual(wrong({ hmac_key: 'pass' }), [ 'hmac_key_base64' ]);
	assert.deepEqual(wrong({ hmac_key_base64: KEY }), [ 'hmac_key_base64' ]);
	assert.deepEqual(wrong({ hmac_key_base64: KEY.replace(/=+$/, '') }), [ 'hmac_key_base64' ]);
	assert.deepEqual(wrong({ key_base64: Buffer.from('same').toString('base64'), hmac_key_base64: '', hmac_key: 'same' }), [ 'hmac_key' ]);
	assert.deepEqual(wrong({ hmac_digest: 'sha257', encryption_mode: 'gcm', format: 'native' }), [ 'encryption_mode', 'format', 'hmac_digest' ]);
});

test('next keys', () => {
	const [ next, nextHmac ] = [ Buffer.alloc(32, 3).toString('base64'), Buffer.alloc(64, 4).toString('base64') ];

	assert.deepEqual(wrong({ next_key_base64: next, next_hmac_key_base64: nextHmac }), []);
	assert.deepEqual(wrong({ next_key_base64: next }), [ 'next_key_base64' ]);
	assert.deepEqual(wrong({ next_key_base64: next, hmac_key_base64: '' }), []);
	assert.deepEqual(wrong({ next_hmac_key_base64: nextHmac }), [ 'next_hmac_key_base64' ]);
	assert.deepEqual(wrong({ next_key_base64: next, next_hmac_key_base64: next }), [ 'next_hmac_key_base64' ]);
	assert.deepEqual(wrong({ next_key_base64: KEY, next_hmac_key_base64: HMAC }), [ 'next_key_base64' ]);
	assert.deepEqual(wrong({ next_key_base64: KEY, next_hmac_key_base64: nextHmac }), []);
	assert.deepEqual(wrong({ next_key_base64: 'CHANGEME', next_hmac_key_base64: nextHmac }), [ 'next_key_base64' ]);
});

test('ports', () => {
	assert.deepEqual(wrong({ open: [] }), [ 'open' ]);
	assert.deepEqual(wrong({ open: [ 'any', 'tcp/22' ] }), [ 'open' ]);
	assert.deepEqual(wrong({ source: [ 'any', '192.0.2.1' ], destination: [ 'any', 'any' ] }), [ 'destination', 'source' ]);
	assert.deepEqual(wrong({ restrict: [ 'tcp/22' ] }), [ 'restrict' ]);
	assert.deepEqual(wrong({ restrict: [ 'tcp/0022' ] }), [ 'restrict' ]);
	assert.deepEqual(wrong({ restrict: 'any' }), [ 'restrict' ]);
	assert.deepEqual(wrong({ restrict: [ 'tcp/22' ], open: [ 'tcp/22', 'tcp/80' ] }), []);
	assert.deepEqual(wrong({ restrict: [ 'tcp/22' ], command: [ 'a=/x' ] }), []);
});

test('forwards and what cannot stand beside them', () => {
	const forward = [ 'tcp/2222=192.168.1.10:22' ];

	assert.deepEqual(wrong({ forward: [ ...forward, 'tcp/2222=192.168.1.11:22' ] }), [ 'forward' ]);
	assert.deepEqual(wrong({ forward, restrict: [ 'tcp/2222' ] }), [ 'forward' ]);
	assert.deepEqual(wrong({ snat: 'masquerade', forward_all: '1', disable_dnat: '1' }), [ 'disable_dnat', 'forward_all', 'snat' ]);
	assert.deepEqual(wrong({ forward, match_destination: '1' }), [ 'match_destination' ]);
	assert.deepEqual(wrong({ forward: [ 'tcp/22=[2001:db8::10]:22' ], match_destination: '1' }), []);
	assert.deepEqual(wrong({ forward, prefix_v4: '24', prefix_v6: '64' }), [ 'prefix_v4' ]);
	assert.deepEqual(wrong({ forward: [ 'tcp/22=[2001:db8::10]:22' ], prefix_v4: '24', prefix_v6: '64' }), [ 'prefix_v6' ]);
	assert.deepEqual(wrong({ allow_nat: '1', prefix_v4: '24', prefix_v6: '64' }), [ 'prefix_v4', 'prefix_v6' ]);
	assert.deepEqual(wrong({ match_destination: '1', prefix_v6: '64' }), [ 'match_destination' ]);
	assert.deepEqual(wrong({ prefix_v4: '24', prefix_v6: '64' }), []);
});

test('commands and flags', () => {
	assert.deepEqual(wrong({ command: [ 'a=/x', 'a=/y' ] }), [ 'command' ]);
	assert.deepEqual(wrong({ command: Array.from({ length: 17 }, (_, index) => `c${index}=/x`) }), [ 'command' ]);
	assert.deepEqual(wrong({ command: 'a=/x', on_open: 'b', on_close: 'a' }), [ 'on_open' ]);
	assert.deepEqual(wrong({ require_source_address: 'perhaps', nat_dns: 'TRUE' }), [ 'nat_dns', 'require_source_address' ]);
});

test('the main section', () => {
	const faults = (values, stanzas) => Object.keys(agree.main(values, stanzas ?? [ GOOD ])).sort();

	assert.deepEqual(faults({}), []);
	assert.deepEqual(faults({ transport: [ 'udp', 'http' ], any_user_agent: '1', trust_forwarded_for: 'yes' }), []);
	assert.deepEqual(faults({ transport: 'tcp', any_user_agent: '1', trust_forwarded_for: '1' }), [ 'any_user_agent', 'trust_forwarded_for' ]);
	assert.deepEqual(faults({ transport: 'sctp', firewall: 'fw3', log_level: 'loud', enabled: '2' }), [ 'enabled', 'firewall', 'log_level', 'transport' ]);
	assert.deepEqual(faults({ port: Array.from({ length: 33 }, (_, index) => String(index + 1)) }), [ 'port' ]);
	assert.deepEqual(faults({ firewall: 'standalone', tcp_listen: '22' }), [ 'tcp_listen' ]);
	assert.deepEqual(faults({ firewall: 'standalone', tcp_listen: '22', protect: 'tcp/443' }), []);
	assert.deepEqual(faults({ firewall: 'standalone' }, [ { ...GOOD, open: 'any' } ]), [ 'protect' ]);
	assert.deepEqual(faults({ firewall: 'standalone' }, [ { ...GOOD, forward: 'any=192.168.1.10:22' } ]), [ 'protect' ]);
	assert.deepEqual(faults({ firewall: 'standalone', protect: 'tcp/22' }, [ { ...GOOD, open: 'any' } ]), []);
	assert.deepEqual(faults({ firewall: 'standalone' }, [ { ...GOOD, enabled: '0', open: 'any' } ]), []);
});
