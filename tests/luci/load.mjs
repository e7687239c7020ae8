/*
 * Loads a module of the LuCI pages as luci.js does: its `require` lines name what it is handed, `return` gives the class.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const RESOURCES = fileURLToPath(new URL('../../luci-app/luci-app-spa-knockd/htdocs/luci-static/resources/', import.meta.url));

/* The little of LuCI's format strings that our texts may use. */
if (!String.prototype.format)
	Object.defineProperty(String.prototype, 'format', {
		value(...args) {
			return this.replace(/%(%|[sd])/g, (whole, kind) => {
				if (kind == '%')
					return '%';

				if (!args.length)
					throw new Error(`too few values for '${this}'`);

				const value = args.shift();

				return kind == 'd' ? String(Math.trunc(Number(value))) : String(value);
			});
		}
	});

const GIVEN = {
	baseclass: { extend: members => Object.assign(Object.create(null), members) },
	L: { isObject: value => value !== null && typeof(value) == 'object', toArray: value => [].concat(value ?? []) }
};

/* The instance of a module, such as 'spa-knockd/words'; `stubs` stand in for what it requires, by the name it has there. */
export function load(name, stubs = {}) {
	const source = readFileSync(`${RESOURCES}${name}.js`, 'utf8');
	const head = source.slice(0, source.search(/^(?!'|\s*$)/m));
	const required = [ ...head.matchAll(/^'require[ \t]+(\S+?)(?:[ \t]+as[ \t]+(\w+))?';$/gm) ];
	const names = [ '_', 'L' ], values = [ text => text, stubs.L ?? GIVEN.L ];

	for (const [ , dependency, as ] of required) {
		const known = as ?? dependency.replace(/[^a-zA-Z0-9_]/g, '_');

		names.push(known);
		values.push(stubs[known] ?? GIVEN[known] ?? load(dependency.replace(/\./g, '/'), stubs));
	}

	return new Function(...names, source)(...values);
}
