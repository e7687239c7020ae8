import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

/* A module whose every call is answered by this function of the method and the arguments by name. */
function asking(answer) {
	return load('spa-knockd/rpc', {
		rpc: {
			declare: ({ object, method, params = [], nobatch }) => (...args) => new Promise((resolve, reject) => {
				assert.ok(nobatch || object == 'session');
				answer({ object, method, args: Object.fromEntries(params.map((name, place) => [ name, args[place] ])), resolve, reject });
			})
		}
	});
}

const failing = message => asking(({ reject }) => reject(new Error(message))).status();
const giving = reply => asking(({ resolve }) => resolve(reply)).status();

test('what failed is told apart, in one sentence, and never thrown', async () => {
	const call = 'RPC call to spa-knockd/status failed with error';

	for (const [ reply, kind ] of [
		[ failing(`${call} -32002: Access denied`), 'denied' ],
		[ failing(`${call} -32000: Object not found`), 'plugin' ],
		[ failing(`${call} -32601: Method not found`), 'plugin' ],
		[ failing(`${call} -32003: ubus request timed out`), 'router' ],
		[ failing('XHR request aborted by browser'), 'router' ],
		[ giving(2), 'plugin' ], [ giving(3), 'plugin' ], [ giving(4), 'plugin' ], [ giving(6), 'denied' ], [ giving(7), 'router' ], [ giving(9), 'router' ],
		[ giving(null), 'plugin' ], [ giving('text'), 'plugin' ], [ giving({}), 'plugin' ], [ giving([]), 'plugin' ],
		[ giving({ ok: false, error: 'no daemon listens', away: true }), 'away' ],
		[ giving({ ok: false, error: 'no' }), 'refused' ],
		[ giving({ ok: false, faults: [ 'line 3' ] }), 'refused' ],
		[ giving({ ok: false }), 'refused' ]
	]) {
		const { ok, error, kind: found } = await reply;

		assert.deepEqual([ ok, found ], [ false, kind ]);
		assert.ok(typeof(error) == 'string' && error.length > 1 && !error.includes('\n'), error);
	}
});

test('a good reply is handed on as it is', async () => {
	const reply = { ok: true, grants: 3 };

	assert.equal(await giving(reply), reply);
});

test('each argument comes under its name', async () => {
	const asked = [];
	const knock = asking(({ method, args, resolve }) => { asked.push([ method, args ]); resolve({ ok: true }); });

	await knock.grants();
	await knock.grants(256);
	await knock.explain('text', { source: '192.0.2.1', port: 7 });
	await knock.revoke({ access: 'alice', kill: true });
	await knock.keygen('sha512');
	assert.deepEqual(asked, [
		[ 'grants', { skip: 0 } ],
		[ 'grants', { skip: 256 } ],
		[ 'explain', { payload: 'text', source: '192.0.2.1', destination: undefined, transport: undefined, port: 7 } ],
		[ 'revoke', { access: 'alice', source: undefined, all: undefined, kill: true } ],
		[ 'keygen', { hmac_digest: 'sha512' } ]
	]);
});

test('doubt is no right', async () => {
	const right = reply => asking(({ resolve, reject }) => reply instanceof Error ? reject(reply) : resolve(reply)).mayCall('revoke');

	assert.deepEqual(await Promise.all([ true, false, 6, null, { access: true }, new Error('x') ].map(right)), [ true, false, false, false, false, false ]);
});

test('a capture that is let through fits into a request to uhttpd', () => {
	const knock = asking(() => {});

	assert.ok(Math.ceil(knock.CAPTURE_MAX / 3) * 4 + 512 < 65536);
});
