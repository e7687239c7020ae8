'use strict';
'require baseclass';
'require form';
'require uci';
'require ui';
'require spa-knockd.agree as agree';
'require spa-knockd.validate as validate';

/*
 * The kinds of form fields that the pages are made of. They read what the daemon's parser reads, show what they do not
 * know instead of hiding it, and say below themselves why a form cannot be saved.
 */

const CONFIG = 'spa-knockd';

/* What the form says of every option of a section; what it does not show counts as not given. */
function valuesOf(section, section_id) {
	const values = {};

	for (const option of section.children)
		if (!option.option.startsWith('_'))
			values[option.option] = option.isActive(section_id) ? option.formvalue(section_id) : null;

	return values;
}

/* Everybody who may open something. */
function stanzas() {
	return [ ...uci.sections(CONFIG, 'access'), ...uci.sections(CONFIG, 'otp') ];
}

/* What the options say about each other. The rows of the grid have not all of them: `check` judges those. */
function judge(section, map, section_id) {
	if (section.sectiontype == 'access')
		return map.parent ? agree.stanza(valuesOf(section, section_id)) : {};

	if (section.sectiontype == 'otp')
		return map.parent ? agree.otp(valuesOf(section, section_id)) : {};

	if (section.sectiontype == 'page')
		return agree.page(valuesOf(section, section_id), uci.get(CONFIG, 'main'), stanzas());

	if (section.sectiontype == CONFIG)
		return agree.main(valuesOf(section, section_id), stanzas(), uci.get(CONFIG, 'page'));

	return {};
}

/* Writes a line below a field, or takes it away; a screen reader is told. */
function say(option, section_id, kind, message) {
	const field = option.map.findElement('data-field', option.cbid(section_id));
	const place = field?.querySelector('.cbi-value-field') ?? field;
	const old = place?.querySelector(`[data-said="${kind}"]`);

	if (place == null || (old?.textContent ?? '') == (message ?? ''))
		return;

	old?.remove();

	if (message)
		place.appendChild(E('div', {
			'class': (kind == 'problem') ? 'cbi-value-description cbi-input-invalid' : 'cbi-value-description',
			'role': (kind == 'problem') ? 'alert' : 'status',
			'data-said': kind
		}, [ message ]));

	if (kind == 'problem')
		ui.tabs?.updateTabs?.(null, option.map.root);
}

/* Tells a screen reader what a field is; LuCI's labels are not tied to every widget, and the grid has none. */
function name(node, option, section_id) {
	const isInGrid = [ 'access', 'otp' ].includes(option.section.sectiontype) && !option.map.parent;
	const title = isInGrid ? '%s: %s'.format(section_id, option.title) : option.title;

	node.querySelectorAll('input:not([type=hidden]), select, textarea').forEach(input => input.setAttribute('aria-label', title));

	return node;
}

/* A field that is also judged together with the others of its section. */
function judged(base) {
	return base.extend({
		renderWidget(section_id, ...args) {
			return name(this.super('renderWidget', [ section_id, ...args ]), this, section_id);
		},

		problem(section_id) {
			for (const value of agree.list(this.formvalue(section_id))) {
				const verdict = this.validate(section_id, value);

				if (verdict !== true)
					return Array.isArray(this.formvalue(section_id)) ? `${value}: ${verdict}` : verdict;
			}

			return judge(this.section, this.map, section_id)[this.option] ?? null;
		},

		isValid(section_id) {
			const problem = this.problem(section_id);

			say(this, section_id, 'problem', problem);

			return problem == null && this.super('isValid', [ section_id ]);
		},

		getValidationError(section_id) {
			return this.problem(section_id) ?? this.super('getValidationError', [ section_id ]);
		},

		/* What was wrong may be right now, here and in other fields. */
		onchange(ev, section_id) {
			const review = () => {
				for (const option of this.section.children) {
					const field = this.map.findElement('data-field', option.cbid(section_id));

					if (field?.querySelector('[data-said="problem"]'))
						say(option, section_id, 'problem', option.problem?.(section_id));
				}
			};

			/* Later: a field changes when somebody presses a button below, which must not move away under the pointer. */
			setTimeout(review, 500);
		}
	});
}

/* A switch that knows every spelling of yes and no; whatever is neither counts as not given. */
const Flag = judged(form.Flag).extend({
	load(section_id) {
		return validate.flagOf(this.super('load', [ section_id ])) ?? null;
	}
});

/* A choice that shows a value that it does not know. */
const Choice = judged(form.ListValue).extend({
	load(section_id) {
		const value = this.super('load', [ section_id ]);

		return (typeof(value) == 'string') ? this.keylist.find(key => agree.sameWord(key, value)) ?? value : value;
	},

	renderWidget(section_id, option_index, cfgvalue) {
		if (cfgvalue && !this.keylist.includes(String(cfgvalue))) {
			this.keylist = [ ...this.keylist, String(cfgvalue) ];
			this.vallist = [ ...this.vallist, _('%s (not known)').format(cfgvalue) ];
		}

		return this.super('renderWidget', [ section_id, option_index, cfgvalue ]);
	}
});

const Value = judged(form.Value);

/* A key, hidden until it is asked for, and nothing for a password manager. */
const Secret = Value.extend({
	__init__(...args) {
		this.super('__init__', args);
		this.password = true;
	},

	renderWidget(section_id, option_index, cfgvalue) {
		const node = this.super('renderWidget', [ section_id, option_index, cfgvalue ]);
		const input = node.querySelector('input');

		input?.setAttribute('autocomplete', 'new-password');
		input?.setAttribute('autocapitalize', 'none');
		input?.setAttribute('spellcheck', 'false');

		return node;
	}
});

/* An option that takes any value which this check does not object to. */
function checkedBy(check) {
	return (section_id, value) => check(value);
}

/* The same for a widget that has several values in one, between blanks. */
function eachCheckedBy(check) {
	return (section_id, value) => agree.list(value).flatMap(one => one.split(' ')).map(check).find(verdict => verdict !== true) ?? true;
}

return baseclass.extend({
	CONFIG,
	Flag,
	Choice,
	Value,
	Secret,
	List: judged(form.DynamicList),
	Several: judged(form.MultiValue),
	checkedBy,
	eachCheckedBy,
	say
});
