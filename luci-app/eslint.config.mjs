/*
 * How LuCI's pages are checked: its module form, its globals, and no way to take data for HTML; and what tests them in node.
 * Run it in the repository's root: eslint -c luci-app/eslint.config.mjs luci-app tests/luci tests/luci-browser
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import js from '@eslint/js';
import noHtml from './no-html.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

const APP = 'luci-app/luci-app-spa-knockd/htdocs/';

const readonly = names => Object.fromEntries(names.map(name => [ name, 'readonly' ]));

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

const modules = readdirSync(`${HERE}/../${APP}`, { recursive: true })
	.filter(path => path.endsWith('.js'))
	.map(path => APP + path.replaceAll('\\', '/'));

/* Form, and what is a mistake in any script. */
const common = {
	...js.configs.recommended.rules,
	'no-var': 'error',
	'prefer-const': 'error',
	'eqeqeq': 'off',
	'indent': [ 'error', 'tab', { SwitchCase: 0, ignoredNodes: [ 'ConditionalExpression *' ] } ],
	'max-len': [ 'error', { code: 180, tabWidth: 4, ignoreStrings: true, ignoreTemplateLiterals: true } ],
	'max-lines': [ 'error', 500 ],
	'no-trailing-spaces': 'error',
	'no-unused-vars': [ 'error', { args: 'after-used', caughtErrors: 'none' } ],
	'semi': [ 'error', 'always' ],
	'no-eval': 'error',
	'no-implied-eval': 'error'
};

export default [
	{ linterOptions: { reportUnusedDisableDirectives: 'error' } },
	{
		files: [ '**/*.js' ],
		plugins: { spa: { rules: { 'no-html': noHtml, 'uses-what-it-requires': usesWhatItRequires } } },
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
			...common,
			'strict': [ 'error', 'global' ],
			'quotes': [ 'error', 'single', { avoidEscape: true } ],
			'no-new-func': 'error',
			'no-script-url': 'error',
			'spa/no-html': 'error',
			'spa/uses-what-it-requires': 'error'
		}
	},
	...modules.map(path => ({
		files: [ path ],
		languageOptions: { globals: readonly(required(readFileSync(`${HERE}/../${path}`, 'utf8'))) }
	})),
	{
		files: [ '**/*.mjs' ],
		languageOptions: {
			ecmaVersion: 2024,
			sourceType: 'module',
			globals: readonly([ 'Buffer', 'URL', 'URLSearchParams', 'console', 'performance', 'process', 'setTimeout' ])
		},
		rules: common
	},
	{
		/* Some of it is told to the browser and runs there. */
		files: [ 'tests/luci-browser/*.mjs' ],
		languageOptions: { globals: readonly([ 'HTMLIFrameElement', 'Image', 'OffscreenCanvas', 'document', 'fetch', 'getComputedStyle', 'window' ]) }
	}
];
