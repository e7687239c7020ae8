/* What clients are given: the QR code's text, the .fwknoprc stanza, which the real client takes, and the command line. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { load } from './load.mjs';

const provision = load('spa-knockd/provision');
const KEY = Buffer.alloc(32, 1).toString('base64');
const HMAC = Buffer.alloc(64, 2).toString('base64');
const ALICE = { '.name': 'alice', key_base64: KEY, hmac_key_base64: HMAC, open: [ 'tcp/22', 'udp/53' ] };
const SERVER = { name: 'router.example.net', port: [ '62201' ], transport: [ 'udp' ] };

/* How the phone app reads a code: parts between blanks, of each the first two pieces between colons. */
function readByApp(text) {
	const fields = {};

	for (const part of text.split(' ')) {
		const [ name, value ] = part.split(':');

		assert.notEqual(value, undefined, 'a part without a colon ends the app');
		fields[name.toUpperCase()] = value;
	}

	return fields;
}

test('the phone app reads the keys that the stanza has', () => {
	assert.equal(provision.qrText(ALICE, SERVER).text, `KEY_BASE64:${KEY} HMAC_KEY_BASE64:${HMAC}`);

	const bare = { ...ALICE, key_base64: KEY.replace(/=+$/, ''), hmac_key_base64: HMAC.replace(/=+$/, '') };
	assert.deepEqual(readByApp(provision.qrText(bare, SERVER).text), { KEY_BASE64: KEY, HMAC_KEY_BASE64: HMAC });

	const words = { '.name': 'a', key: 'correct-horse', hmac_key: 'battery;staple' };
	assert.deepEqual(readByApp(provision.qrText(words, SERVER).text), { KEY: 'correct-horse', HMAC_KEY: 'battery;staple' });
});

test('what the QR code cannot carry, or the app cannot do, has no code', () => {
	for (const [ changes, words ] of [
		[ { key_base64: '', key: 'two words' }, /blank or a colon/ ],
		[ { hmac_key_base64: '', hmac_key: 'a:b' }, /blank or a colon/ ],
		[ { key_base64: '', key: 'schlüssel' }, /ASCII/ ],
		[ { key_base64: '' }, /no encryption key/ ],
		[ { key_base64: '__CHANGEME__' }, /no encryption key/ ],
		[ { key: 'x' }, /twice/ ],
		[ { key_base64: '<script>' }, /not base64/ ],
		[ { hmac_digest: 'SHA3_256' }, /sha3_256/ ],
		[ { encryption_mode: 'ctr' }, /mode ctr/ ],
		[ { encryption_mode: 'legacy' }, /no HMAC in legacy/ ]
	]) {
		const code = provision.qrText({ ...ALICE, ...changes }, SERVER);

		assert.equal(code.text, undefined);
		assert.match(code.problem, words);
	}

	assert.match(provision.qrText(ALICE, { ...SERVER, transport: 'icmp' }).problem, /ICMP/);
});

test('what must be set by hand in the app is said', () => {
	const notes = (changes, server) => provision.qrText({ ...ALICE, ...changes }, { ...SERVER, ...server }).notes.join('\n');

	assert.match(notes({}), /tcp\/22,udp\/53/);
	assert.match(notes({}), /router\.example\.net/);
	assert.doesNotMatch(notes({}), /HMAC|port to|protocol|legacy/);
	assert.match(notes({}), /Resolve IP/);
	assert.match(notes({ require_source_address: 'off' }), /Source IP/);
	assert.match(notes({ hmac_digest: 'sha512' }), /SHA512 by hand/);
	assert.doesNotMatch(notes({ hmac_digest: 'sha512', hmac_key_base64: '' }), /SHA512/);
	assert.match(notes({ encryption_mode: 'legacy', hmac_key_base64: '' }), /legacy/);
	assert.match(notes({ require_username: 'alice' }), /user name alice/);
	assert.match(notes({}, { port: [ '443' ] }), /port to 443/);
	assert.match(notes({}, { transport: 'tcp' }), /protocol to TCP/);
	assert.match(notes({}, { transport: 'http' }), /port 80 only/);
	assert.match(notes({}, { name: 'router' }), /dot/);
});

test('the port and transport are the client\'s own where they arrive', () => {
	const way = server => provision.wayOf({ ...SERVER, ...server });

	assert.deepEqual(provision.wayOf(undefined), { transport: 'udp', port: 62201 });
	assert.deepEqual(way({ port: [ '443', '10000-65535' ] }), { transport: 'udp', port: 62201 });
	assert.deepEqual(way({ port: [ '1000-2000', '443' ] }), { transport: 'udp', port: 1000 });
	assert.deepEqual(way({ transport: [ 'http', 'udp' ], tcp_listen: '8000' }), { transport: 'udp', port: 62201 });
	assert.deepEqual(way({ transport: 'http', tcp_listen: '8000' }), { transport: 'tcp', port: 8000 });
	assert.deepEqual(way({ transport: 'http', port: '80' }), { transport: 'http', port: 80 });
});

test('a rotation gives the next keys', () => {
	const [ next, nextHmac ] = [ Buffer.alloc(32, 3).toString('base64'), Buffer.alloc(64, 4).toString('base64') ];
	const rotated = provision.withNextKeys({ '.name': 'a', key: 'old', hmac_key: 'older', next_key_base64: next, next_hmac_key_base64: nextHmac });

	assert.equal(provision.qrText(rotated, SERVER).text, `KEY_BASE64:${next} HMAC_KEY_BASE64:${nextHmac}`);
	assert.equal(provision.withNextKeys(ALICE), ALICE);
});

test('the stanza of .fwknoprc is what README shows', () => {
	assert.deepEqual(provision.rcStanza(ALICE, SERVER).text.trim().split('\n').map(line => line.split(/ +/)), [
		[ '[alice]' ],
		[ 'SPA_SERVER', 'router.example.net' ],
		[ 'ACCESS', 'tcp/22,udp/53' ],
		[ 'ALLOW_IP', 'resolve' ],
		[ 'USE_HMAC', 'Y' ],
		[ 'KEY_BASE64', KEY ],
		[ 'HMAC_KEY_BASE64', HMAC ]
	]);
	assert.match(provision.rcStanza({ ...ALICE, key_base64: '', key: 'a b' }, SERVER).problem, /passphrase/);
	assert.match(provision.rcStanza({ ...ALICE, require_username: 'a b' }, SERVER).problem, /user name/);
	assert.match(provision.rcStanza({ ...ALICE, '.name': 'DEFAULT' }, SERVER).text, /^\[router\]\n/);
});

test('the real client takes the stanza, and puts a packet together', () => {
	const directory = mkdtempSync(join(tmpdir(), 'spa-rc-'));

	try {
		for (const [ changes, server, fragments ] of [
			[ {}, {}, [ 'tcp/22,udp/53', '62201' ] ],
			[ { hmac_digest: 'sha3_512', encryption_mode: 'ctr', require_username: 'alice' }, { port: '443', transport: 'tcp' }, [ 'alice' ] ],
			[ { key_base64: '', key: 'pass:word', hmac_key_base64: '', hmac_key: 'other' }, {}, [] ],
			[ { open: [], forward: [ 'tcp/2222=192.168.1.10:22' ], require_source_address: '0' }, {}, [ 'tcp/2222', '0.0.0.0' ] ],
			[ { encryption_mode: 'legacy', hmac_key_base64: '', require_source_address: 'no' }, { transport: 'http', port: '80' }, [] ]
		]) {
			const stanza = { ...ALICE, require_source_address: '0', ...changes };
			const file = join(directory, 'rc');
			const packet = join(directory, 'packet');

			writeFileSync(file, provision.rcStanza(stanza, { ...SERVER, ...server }).text);
			chmodSync(file, 0o600);
			rmSync(packet, { force: true });

			const words = provision.commandLine(stanza).text.split(' ');
			const run = spawnSync(words[0], [ ...words.slice(1), '--rc-file', file, '--no-save-args', '-T', '-v' ], { encoding: 'utf8', env: { ...process.env, HOME: directory } });

			assert.equal(run.status, 0, run.stderr + run.stdout);

			for (const fragment of fragments)
				assert.ok(run.stdout.includes(fragment), `${fragment} in ${run.stdout}`);
		}
	} finally {
		rmSync(directory, { recursive: true });
	}
});

test('the command line holds no secret, and says what to ask for', () => {
	const line = changes => provision.commandLine({ ...ALICE, ...changes });

	assert.equal(line({}).text, 'fwknop -n alice');
	assert.equal(line({ open: 'any' }).text, 'fwknop -n alice -A tcp/22');
	assert.match(line({ open: 'any' }).notes.join(), /in place of tcp\/22/);
	assert.equal(line({ open: [], command: [ 'wol=/x', 'note=/y' ] }).text, 'fwknop -n alice -C wol\nfwknop -n alice -C note');
	assert.match(line({ allow_nat: '1' }).notes.join(), /-N/);
	assert.ok(!line({}).text.includes(KEY));
});

test('ports that are forbidden are not asked for', () => {
	assert.deepEqual(provision.accessOf({ open: [ 'tcp/22', 'tcp/80' ], restrict: 'tcp/80', forward: [ 'any=192.168.1.10:22', 'tcp/22=192.168.1.10:22' ] }), [ 'tcp/22' ]);
});
