/* The status page, drawn from the replies of a router that is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from './dom.mjs';
import { load } from './load.mjs';

globalThis.E = E;
globalThis.setInterval = () => {};
globalThis.window = { ResizeObserver: class {
	observe() {}
} };

const AWAY = { ok: false, kind: 'away', error: 'spa-knockd does not run, so it cannot answer.' };
const GOOD = { ok: true, ready: true, version: '1', uptime: 5, awaited: 'udp 62201 on eth0', networks: [ 'wan', 'lte' ], devices: [], firewall: 'fw4', stanzas: 1, honoured: 0,
	refused: { size: 2 }, grants: 0, remembered: 0, remembered_max: 16384, clock: { unix: 1, set: true }, not_ready: [], warnings: [], exposed: [], not_examined: [] };

/* A page for a login that may do everything; `router` answers, and `modal` gets what a dialog shows. */
async function page(router, modal) {
	const asked = [];
	const knock = {
		mayCall: async () => true, mayUci: async () => true, check: async () => ({ ok: true }), events: async () => ({ ok: true, events: [] }),
		otpList: async () => ({ ok: true, users: [], without: [], throttled: null, page: null }),
		revoke: async what => {
			asked.push(what);

			return { ok: true, revoked: 1 };
		},
		...router
	};
	const ui = { showModal: (title, nodes) => modal?.(nodes), hideModal: () => {}, addNotification: () => {}, createHandlerFn: (self, handler) => handler };
	const L = { url: path => `/${path}` };
	const members = load('view/spa-knockd/status', { L, knock, ui, poll: { add: () => {} }, view: { extend: given => given },
		uci: { unload: () => {}, load: async () => {}, sections: () => [] } });
	const view = Object.create(members);
	const node = await view.render(await view.load());

	return { view, node, asked };
}

const pages = (total, make) => async skip => ({ ok: true, total, skip, grants: Array.from({ length: Math.min(256, total - skip) }, (_none, place) => make(skip + place)) });
const grant = number => ({ access: 'phone', source: `10.0.${number >> 8}.${number & 255}`, destination: null, port: 'tcp/22', translation: null, set: 'spa_in4_v1', remaining: 30 });
const rows = node => node.all('table').find(table => table.attributes['aria-label'] == 'Open now').all('tr').slice(1);

test('what is not known is not called empty', async () => {
	const { node } = await page({ status: async () => AWAY });

	assert.match(rows(node)[0].textContent, /^Not known, because spa-knockd does not answer\.$/);
	assert.doesNotMatch(node.textContent, /Nothing is open|Nothing has happened|Nothing was refused|Open: /);
	assert.match(node.textContent, /spa-knockd does not run, so every knock is ignored/);
	assert.match(node.textContent, /StateNot running/);
});

test('a daemon that comes back is shown again', async () => {
	let reply = AWAY;
	const { view, node } = await page({ status: async () => reply, grants: pages(1, grant) });

	reply = GOOD;
	await view.look();
	assert.match(rows(node)[0].textContent, /10\.0\.0\.0/);
	assert.match(node.textContent, /Open: 1\./);
	assert.match(node.textContent, /Networkswan, lte/);
	reply = AWAY;
	await view.look();
	assert.match(rows(node)[0].textContent, /^Not known/);
});

test('of a thousand grants the first hundred are shown, and more on request', async () => {
	const { view, node } = await page({ status: async () => ({ ...GOOD, grants: 1000 }), grants: pages(1000, grant) });

	assert.equal(rows(node).length, 100);
	assert.match(node.textContent, /Open: 1000; the first 100 are shown\./);

	for (const shown of [ 400, 700, 1000 ]) {
		await view.moreGrants.listeners.click();
		assert.equal(rows(node).length, shown);
	}

	assert.match(node.textContent, /Open: 1000\./);
	assert.equal(view.moreGrants.style.display, 'none');
});

test('the question before closing names whoever opened, or says that all at the address goes', async () => {
	let shown = null;

	for (const [ access, question, what ] of [
		[ 'phone', 'Close everything that "phone" has opened for 10.0.0.0?', { kill: undefined, access: 'phone', source: '10.0.0.0' } ],
		[ '', 'Close everything that is open for 10.0.0.0, whoever has opened it?', { kill: undefined, access: undefined, source: '10.0.0.0' } ]
	]) {
		const { node, asked } = await page({ status: async () => GOOD, grants: pages(1, number => ({ ...grant(number), access })) }, nodes => { shown = E('div', {}, nodes); });

		rows(node)[0].all('button')[0].listeners.click({ currentTarget: { isConnected: false } });
		assert.equal(shown.all('p')[0].textContent, question);
		await shown.all('button').at(-1).listeners.click();
		assert.deepEqual(asked, [ what ]);
	}
});
