/* How LuCI's pages are checked: its module form, its globals, and no way to take data for HTML. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import js from '@eslint/js';

const HERE = dirname(fileURLToPath(import.meta.url));

const APP = 'luci-app-spa-knockd/htdocs/';

const readonly = names => Object.fromEntries(names.map(name => [ name, 'readonly' ]));

/* Calls that take a bare string for HTML and an array's strings for text, and which arguments these are. */
const SINKS = {
	'E': [ 1, 3 ],
	'dom.append': [ 1, 2 ],
	'dom.content': [ 1, 2 ],
	'dom.create': [ 1, 3 ],
	'ui.addNotification': [ 0, 2 ],
	'ui.addTimeLimitedNotification': [ 0, 2 ],
	'ui.showModal': [ 0, 2 ]
};
const COMPOSED = [ 'TemplateLiteral', 'BinaryExpression', 'MemberExpression', 'LogicalExpression', 'ConditionalExpression' ];
const COMPOSING = [ 'concat', 'format', 'join', 'replace', 'slice', 'substring', 'toString', 'trim' ];
const FORBIDDEN = [ 'innerHTML', 'insertAdjacentHTML', 'outerHTML', 'setHTMLUnsafe', 'srcdoc' ];

function nameOf(callee) {
	return callee.type == 'MemberExpression' && callee.object.type == 'Identifier'
		? `${callee.object.name}.${callee.property.name}`
		: callee.name;
}

/* Whether data may stand in it: a literal and a translation are ours, and a variable holds elements or an array. */
function mayBeData(node) {
	return COMPOSED.includes(node.type)
		|| node.type == 'CallExpression' && node.callee.type == 'MemberExpression' && COMPOSING.includes(node.callee.property.name)
		|| node.type == 'CallExpression' && node.callee.name == 'String';
}

const noHtml = {
	meta: { type: 'problem', messages: {
		text: 'LuCI takes this string for HTML: put it into an array, so that it is text.',
		html: '{{name}} takes a string for HTML: make elements with E().'
	} },
	create: context => ({
		CallExpression(node) {
			const place = SINKS[nameOf(node.callee)];

			if (place)
				node.arguments.slice(...place).filter(mayBeData).forEach(one => context.report({ node: one, messageId: 'text' }));
		},
		Identifier(node) {
			if (FORBIDDEN.includes(node.name))
				context.report({ node, messageId: 'html', data: { name: node.name } });
		}
	})
};

/* What a module is handed by luci.js: the names of its `require` lines, and nothing else. */
function required(source) {
	const lines = source.matchAll(/^'require[ \t]+(\S+?)(?:[ \t]+as[ \t]+(\w+))?';$/gm);

	return Array.from(lines, ([ , name, as ]) => as ?? name.replace(/[^a-zA-Z0-9_]/g, '_'));
}

const usesWhatItRequires = {
	meta: { type: 'problem', messages: { unused: '{{name}} is required and not used.' } },
	create(context) {
		const unused = new Set(required(context.sourceCode.text));

		return {
			Identifier: node => void unused.delete(node.name),
			'Program:exit': node => unused.forEach(name => context.report({ node, messageId: 'unused', data: { name } }))
		};
	}
};

const modules = readdirSync(`${HERE}/${APP}`, { recursive: true })
	.filter(path => path.endsWith('.js'))
	.map(path => APP + path.replaceAll('\\', '/'));

export default [
	{
		files: [ '**/*.js' ],
		plugins: { spa: { rules: { 'no-html': noHtml, 'uses-what-it-requires': usesWhatItRequires } } },
		linterOptions: { reportUnusedDisableDirectives: 'error' },
		languageOptions: {
			ecmaVersion: 2022,
			sourceType: 'script',
			parserOptions: { ecmaFeatures: { globalReturn: true } },
			globals: readonly([
				'_', 'E', 'L', 'N_',
				'CustomEvent', 'TextEncoder', 'URLSearchParams', 'atob', 'btoa', 'console', 'document', 'location', 'navigator', 'performance',
				'setInterval', 'setTimeout', 'window'
			])
		},
		rules: {
			...js.configs.recommended.rules,
			'strict': [ 'error', 'global' ],
			'no-var': 'error',
			'prefer-const': 'error',
			'eqeqeq': 'off',
			'indent': [ 'error', 'tab', { SwitchCase: 0, ignoredNodes: [ 'ConditionalExpression *' ] } ],
			'max-len': [ 'error', { code: 180, tabWidth: 4, ignoreStrings: true } ],
			'max-lines': [ 'error', 500 ],
			'no-trailing-spaces': 'error',
			'no-unused-vars': [ 'error', { args: 'after-used', caughtErrors: 'none' } ],
			'quotes': [ 'error', 'single', { avoidEscape: true } ],
			'semi': [ 'error', 'always' ],
			'no-eval': 'error',
			'no-implied-eval': 'error',
			'spa/no-html': 'error',
			'spa/uses-what-it-requires': 'error'
		}
	},
	...modules.map(path => ({
		files: [ path ],
		languageOptions: { globals: readonly(required(readFileSync(`${HERE}/${path}`, 'utf8'))) }
	}))
];
