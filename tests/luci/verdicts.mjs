/*
 * Says of each case on standard input whether the pages would save it: [{ section, values }, ...] gives [true, ...].
 * The options and their checks are those of the pages themselves, recorded while they are put together.
 */
import { readFileSync } from 'node:fs';
import { load } from './load.mjs';

/* What stands in for a section of LuCI's form. */
function recorder() {
	const children = [];
	const taboption = (tab, kind, option) => {
		const o = { option, value() {}, depends() {} };

		children.push(o);

		return o;
	};

	return { children, taboption, tab() {} };
}

const agree = load('spa-knockd/agree');
const checkedBy = check => (section_id, value) => check(value);
const fields = { CONFIG: 'spa-knockd', checkedBy, eachCheckedBy: checkedBy, say() {} };
const stubs = { fields, form: {}, knock: {}, L: { bind: fn => fn } };
const users = recorder();
const main = recorder();

load('spa-knockd/stanza', stubs).addOptions(users);

const never = { then: () => never };
const form = { Map: function() { return { section: () => main, render: () => never }; } };
const settings = load('view/spa-knockd/settings', {
	...stubs,
	form,
	dom: {},
	findings: {},
	uci: { get: () => ({}) },
	view: { extend: members => members },
	widgets: { NetworkSelect: function() {} }
});

settings.render([ null, {} ]);

/* Whether no value is refused, and no option because of another one. */
function isTaken({ section, values }, stanza) {
	const options = (section == 'access') ? users.children : main.children;
	const refused = options.some(({ option, validate }) => agree.list(values[option]).some(value => validate && validate('sid', value) !== true));
	const faults = (section == 'access') ? agree.stanza(values) : agree.main(values, [ stanza ]);

	return !refused && Object.keys(faults).length == 0;
}

const { stanza, cases } = JSON.parse(readFileSync(0, 'utf8'));

console.log(JSON.stringify(cases.map(one => isTaken(one, stanza))));
