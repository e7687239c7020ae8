/* The validators of the pages judge single values as the daemon's parser does. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const address = load('spa-knockd/address');
const validate = load('spa-knockd/validate');
const LIMITS = validate.LIMITS;

function takes(name, check, values) {
	for (const value of values)
		assert.equal(check(value), true, `${name} must take '${value}'`);
}

function refuses(name, check, values) {
	for (const value of values)
		assert.equal(typeof(check(value)), 'string', `${name} must refuse '${value}'`);
}

test('addresses are read strictly', () => {
	assert.deepEqual(address.parse('192.0.2.1'), [ 192, 0, 2, 1 ]);
	assert.deepEqual(address.parse('2001:db8::192.0.2.1').slice(-5), [ 0, 192, 0, 2, 1 ]);
	assert.deepEqual(address.parse('::'), Array(16).fill(0));
	assert.deepEqual(address.parse('1:2:3:4:5:6:7:8').slice(0, 4), [ 0, 1, 0, 2 ]);
	assert.equal(address.parse('1:2:3:4:5:6:7::').length, 16);

	for (const text of [ '', '1.2.3', '01.2.3.4', '256.1.1.1', '1.2.3.4.5', ':', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::',
		'12345::', 'fe80::1%eth0', '[::1]', '1:2:3:4:5:6:7', '1.2.3.4::', 'g::', ' ::1', 'localhost', '1:2:3:4:5:6:7:1.2.3.4' ])
		assert.equal(address.parse(text), null, text);
});

test('networks clear their host bits and know their last address', () => {
	const net = address.parseNetwork('10.1.2.3/12');

	assert.deepEqual(net.first, [ 10, 0, 0, 0 ]);
	assert.deepEqual(net.last, [ 10, 15, 255, 255 ]);
	assert.equal(address.parseNetwork('2001:db8::1').length, 128);

	for (const text of [ '10.0.0.1/33', '::1/129', '10.0.0.1/', '10.0.0.1/+8', '10.0.0.1/8/9', '/8' ])
		assert.equal(address.parseNetwork(text), null, text);
});

test('addresses that nobody can be granted are known', () => {
	for (const text of [ '0.0.0.0', '0.1.2.3', '127.0.0.1', '169.254.1.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'febf::1',
		'ff02::1', '::ffff:192.0.2.1', '::192.0.2.1' ])
		assert.equal(address.isForbidden(address.parse(text)), true, text);

	for (const text of [ '192.0.2.1', '10.0.0.1', '169.253.0.1', '2001:db8::1', 'fd00::1', 'fec0::1' ])
		assert.equal(address.isForbidden(address.parse(text)), false, text);
});

test('an empty value is no value', () => {
	for (const name of [ 'port', 'portOrAny', 'portNumber', 'portRange', 'network', 'natTarget', 'forward', 'snat', 'command', 'commandUser',
		'username', 'expires', 'device', 'identifier', 'stanzaName' ])
		takes(name, validate[name], [ '', null, undefined ]);
});

test('ports', () => {
	takes('port', validate.port, [ 'tcp/22', 'udp/65535', 'tcp/1', 'tcp/00022' ]);
	refuses('port', validate.port, [ 'tcp/0', 'tcp/65536', 'TCP/22', 'tcp/', 'tcp', 'icmp/8', 'tcp/+2', 'tcp/000022', ' tcp/22', 'tcp/22-23',
		'tcp/22/1', 'any', 'tcp/22\n' ]);
	takes('portOrAny', validate.portOrAny, [ 'any', 'udp/53' ]);
	refuses('portOrAny', validate.portOrAny, [ 'Any', '22' ]);
	takes('portRange', validate.portRange, [ '62201', '10000-65535', '5-5' ]);
	refuses('portRange', validate.portRange, [ '0', '5-4', '1-', '-1', '1-2-3', '65536', '1:2', 'any' ]);
	takes('portNumber', validate.portNumber, [ '1', '65535' ]);
	refuses('portNumber', validate.portNumber, [ '0', '65536', '1-2', 'x' ]);
});

test('networks and targets', () => {
	takes('network', validate.network, [ 'any', '203.0.113.0/24', '2001:db8::/32', '192.0.2.1', '::/0' ]);
	refuses('network', validate.network, [ '!10.0.0.0/8', 'ANY', 'example.net', '::ffff:192.0.2.1', '::ffff:192.0.2.0/120', '10.0.0.0/33' ]);
	takes('natTarget', validate.natTarget, [ '192.168.1.0/24', '192.168.1.10', '0.0.0.0/0', 'fd00::/8' ]);
	refuses('natTarget', validate.natTarget, [ '127.0.0.0/8', '127.0.0.1', '224.0.0.0/4', 'fe80::/10', '::1', 'any', 'nas.lan' ]);
});

test('forwards', () => {
	takes('forward', validate.forward, [ 'tcp/2222=192.168.1.10:22', 'any=192.168.1.10:22', 'tcp/22=[2001:db8::10]:22', 'udp/1=10.0.0.1:65535' ]);
	refuses('forward', validate.forward, [ 'tcp/2222', 'tcp/2222=', 'tcp/2222=192.168.1.10', 'tcp/2222=nas:22', '=192.168.1.10:22', '22=192.168.1.10:22',
		'tcp/22=2001:db8::10:22', 'tcp/23=[2001:db8::10]:22', 'any=[2001:db8::10]:22', 'tcp/1=127.0.0.1:1', 'tcp/1=192.168.1.10:0', 'tcp/1=[192.168.1.10]:1',
		'tcp/1=192.168.1.10:22 ' ]);
});

test('source translation, commands and users', () => {
	takes('snat', validate.snat, [ 'masquerade', '192.168.1.1' ]);
	refuses('snat', validate.snat, [ 'MASQUERADE', '127.0.0.1', '2001:db8::1', 'yes' ]);
	takes('command', validate.command, [ 'wol=/usr/bin/etherwake -i br-lan 00:11:22:33:44:55', 'A_9=/x', 'a= /x', `${'n'.repeat(32)}=/x`, 'a=/x $(id) b=c' ]);
	refuses('command', validate.command, [ '', 'wol', '=/x', 'w l=/x', 'wöl=/x', `${'n'.repeat(33)}=/x`, `n=/${'x'.repeat(1024)}`, 'wol=', 'wol=x', 'wol=./x /y',
		'wol=/bin/sh -c "id"', "wol=/bin/sh -c 'id'" ].filter(value => value != ''));
	takes('commandUser', validate.commandUser, [ 'nobody', 'a.b-c_1' ]);
	refuses('commandUser', validate.commandUser, [ 'no body', '<b>', 'ü' ]);
	takes('username', validate.username, [ 'alice', 'Alice B', '(x)', "o'neil", '#1', 'x'.repeat(48) ]);
	refuses('username', validate.username, [ 'x'.repeat(49), 'a:b', 'a;b', '<script>', 'ü', 'a"b', 'a/b', '[a]', 'a=b', 'a\tb' ]);
});

test('numbers, dates and names', () => {
	takes('number', validate.number(1, LIMITS.timeout), [ '1', '30', '8388608', '030' ]);
	refuses('number', validate.number(1, LIMITS.timeout), [ '0', '8388609', '-1', '1.5', '1e3', '+1', ' 1', 'x' ]);
	takes('expires', validate.expires, [ '2030-12-31', '2030-12-31T18:00:00Z', '2030-12-31 18:00:00', '2024-02-29', '1970-01-01', '9999-12-31T23:59:59Z' ]);
	refuses('expires', validate.expires, [ '2025-02-29', '2100-02-29', '2025-04-31', '2025-13-01', '2025-00-01', '2025-01-00', '1969-12-31', '0000-01-01',
		'0099-01-01', '2025-01-01T00:00:00', '2025-01-01 00:00:00Z', '2025-01-01T24:00:00Z', '2025-01-01T00:60:00Z', '2025-01-01T00:00:60Z', '2025-01-01 ', '01/02/2025' ]);
	takes('device', validate.device, [ 'eth0', 'br-lan.7', 'x'.repeat(15) ]);
	refuses('device', validate.device, [ 'x'.repeat(16), '.', '..', 'a b', 'a/b', 'a:1', "a'b", 'a$b', 'ü' ]);
	takes('identifier', validate.identifier, [ 'wan', 'wan_6', 'a.b-c' ]);
	refuses('identifier', validate.identifier, [ 'x'.repeat(33), 'a b', 'a/b', '<b>' ]);
	takes('stanzaName', validate.stanzaName, [ 'alice', 'A_1', 'x'.repeat(64) ]);
	refuses('stanzaName', validate.stanzaName, [ 'x'.repeat(65), 'a-b', 'a b', '<script>', 'ä', "a'b", 'a.b' ]);
});

test('flags have all the spellings of UCI', () => {
	for (const value of [ '1', 'on', 'true', 'yes', 'enabled' ])
		assert.equal(validate.flagOf(value), '1');

	for (const value of [ '0', 'off', 'false', 'no', 'disabled' ])
		assert.equal(validate.flagOf(value), '0');

	assert.equal(validate.flagOf(''), undefined);
	assert.equal(validate.flagOf(null), undefined);
	assert.equal(validate.flagOf('ON'), null);
});

test('keys in base64 and passphrases', () => {
	const key = validate.keyBase64(LIMITS.key);
	const whole = Buffer.alloc(32, 7).toString('base64');

	takes('key', key, [ whole, whole.replace(/=+$/, ''), 'YQ==', 'YQ', '__CHANGEME__', '' ]);
	refuses('key', key, [ Buffer.alloc(33, 7).toString('base64'), 'YR==', 'Y', 'YQ=', 'YWI==', 'Y Q=', 'YQ-_', '=', '====', 'YQ===', 'ä' ]);
	takes('passphrase', validate.passphrase(LIMITS.key), [ 'x'.repeat(32), 'ü'.repeat(16), 'a b:c' ]);
	refuses('passphrase', validate.passphrase(LIMITS.key), [ 'x'.repeat(33), 'ü'.repeat(17) ]);

	for (let length = 1; length < 40; length++)
		assert.equal(validate.base64Length(Buffer.alloc(length, 255 - length).toString('base64')), length);
});
