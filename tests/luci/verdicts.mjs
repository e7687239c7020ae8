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
const otp = recorder();
const page = recorder();
const main = recorder();

const widgets = { NetworkSelect: function() {} };

load('spa-knockd/stanza', stubs).addOptions(users);
load('spa-knockd/otpsection', stubs).addOptions(otp, {});
load('spa-knockd/pagesection', { ...stubs, dom: {}, widgets }).addOptions(page);

const never = { then: () => never };
const form = { Map: function() { return { section: () => main, render: () => never }; } };
const settings = load('view/spa-knockd/settings', {
	...stubs,
	form,
	dom: {},
	findings: {},
	uci: { get: () => ({}) },
	view: { extend: members => members },
	widgets
});

settings.render([ null, {} ]);

/* The options of a section, and what is asked about all of them together. */
const SECTIONS = {
	access: { options: users.children, judge: values => agree.stanza(values) },
	otp: { options: otp.children, judge: values => agree.otp(values) },
	page: { options: page.children, judge: (values, { guarding, stanza }) => agree.page(values, guarding, [ stanza ]) },
	main: { options: main.children, judge: (values, { stanza, shown }) => agree.main(values, [ stanza ], shown) }
};

/* Whether no value is refused, and no option because of another one. */
function isTaken({ section, values }, asked) {
	const { options, judge } = SECTIONS[section];
	const refused = options.some(({ option, validate }) => agree.list(values[option]).some(value => validate && validate('sid', value) !== true));
	const faults = judge(values, asked);

	return !refused && Object.keys(faults).length == 0;
}

const asked = JSON.parse(readFileSync(0, 'utf8'));

console.log(JSON.stringify(asked.cases.map(one => isTaken(one, asked))));
