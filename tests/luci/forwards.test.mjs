import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const forwards = load('spa-knockd/forwards');

const BASE = { '.name': 'cfg01', src: 'wan', proto: 'tcp', src_dport: '2222', dest_ip: '192.168.1.10', dest_port: '22' };
const open = (change, zones) => forwards.open([ { ...BASE, ...change } ], zones);
const ways = change => open(change).flatMap(forward => forward.forwards);

test('a port forward becomes what list forward takes', () => {
	assert.deepEqual(ways({}), [ 'tcp/2222=192.168.1.10:22' ]);
	assert.deepEqual(ways({ dest_port: undefined }), [ 'tcp/2222=192.168.1.10:2222' ]);

	for (const proto of [ undefined, 'all', 'tcpudp', 'tcp udp', [ 'tcp', 'udp' ], 'TCP UDP', '6 17' ])
		assert.deepEqual(ways({ proto }), [ 'tcp/2222=192.168.1.10:22', 'udp/2222=192.168.1.10:22' ]);

	assert.deepEqual(ways({ proto: 'udp' }), [ 'udp/2222=192.168.1.10:22' ]);
});

test('what a stanza cannot express has no way, and is shown all the same', () => {
	for (const change of [ { src_dport: '8000-8010' }, { src_dport: '8000:8010' }, { src_dport: undefined, dest_port: undefined }, { src_dport: '70000' }, { src_dport: '0' },
		{ dest_port: '22-23' }, { src_ip: '203.0.113.9' }, { src_dip: '203.0.113.1' }, { proto: 'icmp' } ]) {
		const [ forward ] = open(change);

		assert.deepEqual(forward.forwards, [], JSON.stringify(change));
		assert.equal(forward.name, 'cfg01');
	}
});

test('what opens nothing to everybody from outside is left out', () => {
	for (const change of [ { enabled: '0' }, { enabled: 'off' }, { target: 'SNAT' }, { src: 'lan' }, { src: undefined }, { dest_ip: undefined }, { dest_ip: '2001:db8::1' },
		{ dest_ip: '192.168.1.256' }, { dest_ip: '192.168.1' }, { dest_ip: '<script>' } ])
		assert.deepEqual(open(change), [], JSON.stringify(change));

	assert.equal(open({ src: '*' }).length, 1);
	assert.equal(open({ enabled: '1', target: 'dnat' }).length, 1);
	assert.equal(open({ src: 'dsl' }, [ 'dsl' ]).length, 1);
	assert.deepEqual(forwards.open(undefined), []);
});

test('the link to a new user carries nothing but what it says', () => {
	assert.equal(forwards.query([ 'tcp/1=192.0.2.1:1', 'a&b=<c>' ]), '?forward=tcp%2F1%3D192.0.2.1%3A1&forward=a%26b%3D%3Cc%3E');
});
