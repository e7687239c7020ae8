import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from './dom.mjs';
import { load } from './load.mjs';

let resized = null, look = { display: 'table-row', content: '"Who"' };

globalThis.E = E;
globalThis.window = {
	ResizeObserver: class {
		constructor(callback) {
			resized = callback;
		}

		observe() {}
	},
	getComputedStyle: (node, pseudo) => pseudo ? { content: look.content } : { display: look.display }
};

const draw = load('spa-knockd/draw');
const findings = load('spa-knockd/findings');

function table() {
	return draw.table({
		titles: [ 'Who', 'Left', '' ], label: 'a table', empty: 'Nothing.',
		key: item => item.who,
		make: item => [ [ item.who ], [ String(item.left) ], [ E('button', {}, [ 'Close' ]) ] ],
		refresh: ([ , left ], item) => draw.text(left, String(item.left))
	});
}

const texts = node => node.all('tr').slice(1).map(row => row.all('td').map(cell => cell.childNodes.at(-1).textContent));

test('rows stay the same elements, and go in their turn', () => {
	const { node, update } = table();

	update([ { who: 'a', left: 3 }, { who: 'b', left: 9 } ]);

	const [ , a, b ] = node.all('tr');

	update([ { who: 'b', left: 8 }, { who: '<b>c</b>', left: 1 } ]);
	assert.deepEqual(texts(node), [ [ 'b', '8', 'Close' ], [ '<b>c</b>', '1', 'Close' ] ]);
	assert.equal(node.all('tr')[1], b);
	assert.equal(a.parentNode, null);
});

test('a table without rows says so, or why it is not known', () => {
	const { node, update } = table();

	update([]);
	assert.deepEqual(texts(node), [ [ 'Nothing.' ] ]);
	update([], 'Not known.');
	assert.deepEqual(texts(node), [ [ 'Not known.' ] ]);
	update([ { who: 'a', left: 3 } ], null);
	assert.deepEqual(texts(node), [ [ 'a', '3', 'Close' ] ]);
	update([], null);
	assert.deepEqual(texts(node), [ [ 'Nothing.' ] ]);
});

test('cells have their titles above them where a theme shows these nowhere', () => {
	const { node, update } = table();
	const titles = () => node.all('td').map(cell => cell.childNodes[0]).filter(label => !label.hidden).map(label => label.textContent);

	for (const [ display, content, shown ] of [ [ 'table-row', 'none', [] ], [ 'none', '"Who"', [] ], [ 'none', 'none', [ 'Who', 'Left' ] ], [ 'none', 'normal', [ 'Who', 'Left' ] ] ]) {
		look = { display, content };
		update([ { who: 'a', left: 3 } ]);
		resized();
		assert.deepEqual(titles(), shown, `${display} ${content}`);
	}

	/* A row that comes later is like the others. */
	update([ { who: 'b', left: 3 } ]);
	assert.deepEqual(titles(), [ 'Who', 'Left' ]);
	assert.deepEqual(texts(node), [ [ 'b', '3', 'Close' ] ]);
});

test('names and values are drawn anew only where they have changed', () => {
	const facts = draw.facts();

	facts.update([ [ 'State', 'up' ], [ 'Devices', [ 'wan', '<i>lte</i>' ] ], [ 'Gone', 1 ] ]);

	const [ state ] = facts.node.all('tr');

	facts.update([ [ 'State', 'down' ], [ 'Devices', [ 'wan' ] ], [ 'Empty', null ] ]);
	assert.deepEqual(facts.node.all('tr').map(row => row.textContent), [ 'Statedown', 'Deviceswan', 'Empty' ]);
	assert.equal(facts.node.all('tr')[0], state);
});

test('a file that cannot be read is said, with the line that check has found', () => {
	const error = new Error('RPC call to uci/get failed with ubus code 9: Unknown error\n  at somewhere (luci.js:1:1)');
	const shown = findings.unreadable('Users', error, { ok: false, faults: [ 'line 3: a quote is not closed <b>' ] }).textContent;

	assert.match(shown, /^Users.*cannot be read: RPC call to uci\/get failed with ubus code 9: Unknown error/);
	assert.match(shown, /a quote is not closed <b>/);
	assert.doesNotMatch(shown, /luci\.js/);
});

test('why a dialog was not saved is said, and that somebody else may have changed the users', () => {
	const gone = Object.assign(new Error('RPC call to uci/set failed with ubus code 4: Resource not found\n  at x'), { name: 'RPCError' });

	assert.match(findings.notSaved(gone).textContent, /^This was not saved: RPC call .* not foundIf somebody else has changed the users meanwhile/);
	assert.equal(findings.notSaved(new TypeError('This must be 1 or 0.')).textContent, 'This was not saved: This must be 1 or 0.');
	assert.equal(findings.notSaved('refused').textContent, 'This was not saved: refused');
});

test('what check has found stands above a page', () => {
	const shown = (reply, isOff) => findings.render(reply, isOff).textContent;

	assert.equal(shown({ ok: true, warnings: [], notes: [] }), '');
	assert.equal(shown(null), '');
	assert.match(shown({ ok: false, faults: [ 'line 3' ] }, false), /^The daemon refuses this configurationline 3/);
	assert.match(shown({ ok: false, faults: [ 'line 3' ] }, true), /^spa-knockd is switched off, and something is missing/);
	assert.match(shown({ ok: false, error: 'the router took too long' }), /could not be checked: the router took too long/);
	assert.match(shown({ ok: true, warnings: [ 'weak' ], notes: [ 'note' ] }), /^Worth a thoughtweaknote/);
});
