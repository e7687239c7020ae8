/*
 * A rule against data that become HTML. LuCI takes a bare string for HTML and an array's strings for text, so wherever it
 * takes children, an array or an element must stand in the source itself: a variable may hold anything.
 */

/* Calls with children, and which arguments these are. */
const SINKS = {
	'dom.append': [ 1, 2 ],
	'dom.content': [ 1, 2 ],
	'ui.addNotification': [ 0, 2 ],
	'ui.addTimeLimitedNotification': [ 0, 2 ],
	'ui.showModal': [ 0, 2 ]
};

/* Calls with titles and descriptions, which are HTML always, and from which argument on. */
const TITLED = { 'option': 2, 'section': 2, 'tab': 1, 'taboption': 3 };
const MAPS = [ 'form.JSONMap', 'form.Map' ];

/* What LuCI asks a function for, and takes for HTML. */
const ASKED = [ 'modaltitle', 'sectiontitle', 'textvalue' ];

/* Other ways from a string to HTML, or to a program. */
const FORBIDDEN = [ 'DOMParser', 'createContextualFragment', 'innerHTML', 'insertAdjacentHTML', 'outerHTML', 'parseHTMLUnsafe', 'setHTMLUnsafe', 'srcdoc' ];
const FORBIDDEN_OF = { document: [ 'write', 'writeln' ], dom: [ 'create', 'parse' ] };
const ADDRESSES = [ 'action', 'formaction', 'href', 'src' ];

/* The one place where a string is HTML: a drawing of black squares, in which no text occurs. */
const DRAWING = 'uqr.renderSVG';

function nameOf(callee) {
	return callee.type == 'MemberExpression' && callee.object.type == 'Identifier'
		? `${callee.object.name}.${callee.property.name}`
		: callee.name;
}

function isCallOf(node, name) {
	return node?.type == 'CallExpression' && nameOf(node.callee) == name;
}

function isText(node) {
	return node.type == 'Literal' && typeof(node.value) == 'string';
}

/* An array, an element, or nothing. No string has the methods. */
function isChildren(node) {
	return node.type == 'ArrayExpression'
		|| node.type == 'Literal' && node.value === null
		|| isCallOf(node, 'E')
		|| node.type == 'CallExpression' && node.callee.type == 'MemberExpression' && [ 'map', 'flatMap' ].includes(node.callee.property.name);
}

/* What does not come from the outside: a literal, or its translation. */
function isOwn(node) {
	return isText(node) || isCallOf(node, '_');
}

/* A format string that takes the meaning from whatever is put into it. */
function isEscaped(node) {
	return node?.type == 'CallExpression' && node.callee.type == 'MemberExpression' && node.callee.property.name == 'format'
		&& isText(node.callee.object) && !/%[^h]|%$/.test(node.callee.object.value.replaceAll('%%', ''));
}

/* An address within LuCI; what is added to it cannot change its scheme. */
function isOwnAddress(node) {
	return node.type == 'BinaryExpression' ? isOwnAddress(node.left) : isCallOf(node, 'L.url');
}

/* What a function without branches returns; any other statement stands for itself, and is none that is let through. */
function returned(body) {
	return body.type == 'BlockStatement' ? body.body.map(one => one.type == 'ReturnStatement' ? one.argument : one) : [ body ];
}

export default {
	meta: { type: 'problem', schema: [], messages: {
		address: 'An address may begin with javascript: make it with L.url().',
		attribute: '{{name}} takes a string for a program: hand a function over.',
		escape: 'LuCI takes this for HTML: make it with a literal in which every value stands as %h.',
		html: '{{name}} takes a string for HTML: make elements with E().',
		own: 'LuCI takes this for HTML: only a literal text may stand here, or its translation.',
		tag: 'A string may be taken for HTML here: name the element.',
		text: 'LuCI takes a string for HTML: write an array, so that it is text.'
	} },

	create: context => {
		const demand = (nodes, test, messageId) => nodes.filter(node => !test(node)).forEach(node => context.report({ node, messageId }));

		function attributes(node) {
			for (const { key, value } of node.properties) {
				const name = String(key?.value ?? key?.name);

				if (/^on/i.test(name))
					context.report({ node: value, messageId: 'attribute', data: { name } });
				else if (ADDRESSES.includes(name))
					demand([ value ], isOwnAddress, 'address');
			}
		}

		function element([ tag, given, children ]) {
			demand([ tag ], one => isText(one) && !one.value.startsWith('<') || one.type == 'ArrayExpression' || isCallOf(one, DRAWING), 'tag');

			if (given?.type == 'ObjectExpression')
				attributes(given);
			else
				demand([ given ].filter(Boolean), isChildren, 'text');

			demand([ children ].filter(Boolean), isChildren, 'text');
		}

		return {
			CallExpression(node) {
				const name = nameOf(node.callee), method = node.callee.property?.name;

				if (name == 'E')
					element(node.arguments);
				else if (Object.hasOwn(SINKS, name ?? ''))
					demand(node.arguments.slice(...SINKS[name]), isChildren, 'text');
				else if (Object.hasOwn(TITLED, method ?? ''))
					demand(node.arguments.slice(TITLED[method]), isOwn, 'own');
			},
			NewExpression(node) {
				if (MAPS.includes(nameOf(node.callee)))
					demand(node.arguments.slice(1), isOwn, 'own');
			},
			AssignmentExpression({ left, right }) {
				if (ASKED.includes(left.property?.name))
					demand(right.body ? returned(right.body) : [ right ], isEscaped, 'escape');
			},
			MemberExpression({ object, property }) {
				if (FORBIDDEN_OF[object.name]?.includes(property.name))
					context.report({ node: property, messageId: 'html', data: { name: `${object.name}.${property.name}` } });
			},
			Identifier(node) {
				if (FORBIDDEN.includes(node.name))
					context.report({ node, messageId: 'html', data: { name: node.name } });
			}
		};
	}
};
