/*
 * UCI as rpcd serves it: files below one directory, and for each session the changes that it has staged on them. What
 * fails throws the number with which ubus would answer.
 */
import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';

const NOT_FOUND = 4, NO_DATA = 5, UNREADABLE = 9;

/* The words of a line; null where a quote stays open. */
function words(line) {
	const found = [];
	let rest = line.trimStart();

	while (rest != '' && !rest.startsWith('#')) {
		let word = '';

		while (rest != '' && !/^\s/.test(rest)) {
			const quote = /^['"]/.exec(rest)?.[0];
			const end = quote ? rest.indexOf(quote, 1) : rest.search(/[\s'"]|$/);

			if (end < 0)
				return null;

			word += rest.slice(quote ? 1 : 0, end);
			rest = rest.slice(quote ? end + 1 : end);
		}

		found.push(word);
		rest = rest.trimStart();
	}

	return found;
}

/* The sections of a file, in order. */
function parse(text) {
	const sections = [];

	for (const line of text.split('\n')) {
		const [ keyword, name, value ] = words(line) ?? [ 'unclosed' ];
		const section = sections.at(-1);

		if (keyword == null)
			continue;

		if (keyword == 'config' && name && /^\w*$/.test(value ?? ''))
			sections.push({ '.anonymous': !value, '.type': name, '.name': value || `cfg${String(sections.length).padStart(6, '0')}` });
		else if (section && keyword == 'option' && /^\w+$/.test(name))
			section[name] = value;
		else if (section && keyword == 'list' && /^\w+$/.test(name))
			section[name] = [].concat(section[name] ?? [], value);
		else
			throw UNREADABLE;
	}

	return sections;
}

function quoted(value) {
	return `'${value.replaceAll('\'', '\'\\\'\'')}'`;
}

function written(sections) {
	return sections.map(section => {
		const options = Object.entries(section).filter(([ name ]) => !name.startsWith('.'));
		const head = `config ${section['.type']}${section['.anonymous'] ? '' : ` ${quoted(section['.name'])}`}\n`;

		return head + options.map(([ name, value ]) => Array.isArray(value)
			? value.map(one => `\tlist ${name} ${quoted(one)}\n`).join('')
			: `\toption ${name} ${quoted(value)}\n`).join('');
	}).join('\n');
}

/* Does one staged change to the sections; one whose section is gone does nothing, as in rpcd. */
function change(sections, [ operation, name, option, value ]) {
	const place = sections.findIndex(section => section['.name'] == name);

	if (operation == 'add' && place < 0)
		sections.push({ '.anonymous': false, '.type': option, '.name': name });
	else if (operation == 'order')
		sections.sort((one, other) => option.indexOf(one['.name']) - option.indexOf(other['.name']));
	else if (operation == 'remove' && place >= 0 && option == null)
		sections.splice(place, 1);
	else if (operation == 'remove' && place >= 0)
		delete sections[place][option];
	else if (operation == 'set' && place >= 0)
		sections[place][option] = value;
}

export class Uci {
	#directory;
	#staged = new Map();

	constructor(directory) {
		this.#directory = directory;
	}

	#file(config) {
		const file = `${this.#directory}/${config}`;

		if (!/^[\w-]+$/.test(config ?? '') || !existsSync(file))
			throw NOT_FOUND;

		return file;
	}

	#stagedBy(session, config) {
		const key = `${session} ${config}`;

		if (!this.#staged.has(key))
			this.#staged.set(key, []);

		return this.#staged.get(key);
	}

	#sections(session, config) {
		const sections = parse(readFileSync(this.#file(config), 'utf8'));

		this.#stagedBy(session, config).forEach(one => change(sections, one));

		return sections;
	}

	#stage(session, config, section, changes) {
		if (section && !this.#sections(session, config).some(one => one['.name'] == section))
			throw NOT_FOUND;

		this.#stagedBy(session, config).push(...changes);
	}

	get(session, { config, section, option }) {
		const all = this.#sections(session, config).map((one, index) => ({ ...one, '.index': index }));
		const one = all.find(candidate => candidate['.name'] == section);

		if (section == null)
			return { values: Object.fromEntries(all.map(value => [ value['.name'], value ])) };

		if (one == null || (option != null && one[option] == null))
			throw NOT_FOUND;

		return option == null ? { values: one } : { value: one[option] };
	}

	add(session, { config, type, name, values }) {
		const section = name ?? `cfg${Math.random().toString(16).slice(2, 8)}`;

		this.#stage(session, config, null, [ [ 'add', section, type ] ]);
		this.set(session, { config, section, values });

		return { section };
	}

	/* An empty value takes an option away. */
	set(session, { config, section, values }) {
		this.#stage(session, config, section, Object.entries(values ?? {}).map(([ option, value ]) => value === ''
			? [ 'remove', section, option ]
			: [ 'set', section, option, Array.isArray(value) ? value.map(String) : String(value) ]));
	}

	delete(session, { config, section, option, options }) {
		const gone = options ?? (option == null ? [ undefined ] : [ option ]);

		this.#stage(session, config, section, gone.map(one => one == null ? [ 'remove', section ] : [ 'remove', section, one ]));
	}

	order(session, { config, sections }) {
		this.#stage(session, config, null, [ [ 'order', '', sections ] ]);
	}

	changes(session) {
		const configs = readdirSync(this.#directory).filter(config => this.#stagedBy(session, config).length);

		return { changes: Object.fromEntries(configs.map(config => [ config, this.#stagedBy(session, config) ])) };
	}

	/* Writes what the session has staged; the names of the files that it was for. */
	apply(session) {
		const configs = Object.keys(this.changes(session).changes);

		if (!configs.length)
			throw NO_DATA;

		for (const config of configs) {
			const file = this.#file(config);

			writeFileSync(`${file}.new`, written(this.#sections(session, config)), { mode: 0o600 });
			renameSync(`${file}.new`, file);
		}

		this.revert(session);

		return configs;
	}

	revert(session) {
		for (const config of readdirSync(this.#directory))
			this.#staged.delete(`${session} ${config}`);
	}
}
