/*
 * As much of a document as the pages need to be drawn in node. Where LuCI would take a string for HTML, it throws.
 */

export class Element {
	attributes = {};
	childNodes = [];
	listeners = {};
	parentNode = null;
	style = {};
	hidden = false;

	constructor(name, text) {
		this.name = name;
		this.text = text ?? null;
	}

	get textContent() {
		return this.text ?? this.childNodes.map(child => child.textContent).join('');
	}

	set textContent(text) {
		this.replaceChildren(text);
	}

	get className() {
		return this.attributes.class ?? '';
	}

	set className(names) {
		this.attributes.class = names;
	}

	get nextSibling() {
		return this.parentNode?.childNodes[this.parentNode.childNodes.indexOf(this) + 1] ?? null;
	}

	#insert(place, nodes) {
		for (const one of nodes) {
			const list = one instanceof Element && one.name == null && one.text == null ? [ ...one.childNodes ] : [ one ];

			for (const each of list) {
				const node = each instanceof Element ? each : new Element(null, String(each));

				node.remove();
				this.childNodes.splice(place++, 0, node);
				node.parentNode = this;
			}
		}
	}

	append(...nodes) {
		this.#insert(this.childNodes.length, nodes);
	}

	appendChild(node) {
		this.append(node);
	}

	after(...nodes) {
		this.parentNode.#insert(this.parentNode.childNodes.indexOf(this) + 1, nodes);
	}

	remove() {
		if (this.parentNode)
			this.parentNode.childNodes.splice(this.parentNode.childNodes.indexOf(this), 1);

		this.parentNode = null;
	}

	replaceChildren(...nodes) {
		[ ...this.childNodes ].forEach(child => child.remove());
		this.append(...nodes);
	}

	setAttribute(name, value) {
		this.attributes[name] = String(value);
	}

	addEventListener(name, listener) {
		this.listeners[name] = listener;
	}

	/* Itself and all below it that have this name. */
	all(name) {
		return [ ...(this.name == name ? [ this ] : []), ...this.childNodes.flatMap(child => child.all(name)) ];
	}

	/* For selectors such as `td[data-title]`. */
	querySelector(selector) {
		const [ , name, attribute ] = /^(\w+)\[([\w-]+)\]$/.exec(selector);

		return this.all(name).find(node => node.attributes[attribute] != null) ?? null;
	}
}

/* LuCI's E() with children in arrays. */
export function E(name, attributes, children) {
	const [ given, below ] = Array.isArray(attributes) || attributes instanceof Element ? [ {}, attributes ] : [ attributes ?? {}, children ];
	const node = new Element(Array.isArray(name) ? null : name);

	if (typeof(below) == 'string' || typeof(below) == 'function' || (typeof(name) == 'string' && name.startsWith('<')))
		throw new Error(`LuCI takes this for HTML: ${below ?? name}`);

	for (const [ key, value ] of Object.entries(given)) {
		if (typeof(value) == 'function')
			node.addEventListener(key, value);
		else if (value != null)
			node.setAttribute(key, value);
	}

	node.append(...[].concat(below ?? []).filter(child => child != null), ...(Array.isArray(name) ? name : []));

	return node;
}
