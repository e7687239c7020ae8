'use strict';
'require baseclass';

/*
 * Parts of pages that are drawn again every two seconds without taking the focus or a selection from anybody: only
 * what has changed is touched.
 */

/* Lines of text, as nodes. */
function lines(texts) {
	return texts.map(text => E('div', {}, [ text ]));
}

function replace(node, children) {
	node.replaceChildren(...children);
}

/* Whether a theme hides the row of titles, as for phones, and does not write `data-title` before the cells either. */
function isUntitled(head, cell) {
	return cell != null && window.getComputedStyle(head).display == 'none'
		&& [ 'none', 'normal' ].indexOf(window.getComputedStyle(cell, '::before').content) != -1;
}

/* A cell of a table: below its title, which is mostly hidden, what is in it. */
function Cell(title, children) {
	const label = E('div', {}, [ E('strong', {}, [ title ]) ]), value = E('div', {}, [ ...children ]);

	return { label, value, node: E('td', { 'class': 'td left', 'data-title': title || null }, [ label, value ]) };
}

return baseclass.extend({
	/* Another text for an element that has nothing but text. */
	text(node, text) {
		if (node.textContent != text)
			node.textContent = text;
	},

	/* Themes show buttons that are marked as hidden. */
	show(node, isShown) {
		node.style.display = isShown ? '' : 'none';
	},

	/* A link to another page of LuCI. */
	link({ page, query, text }) {
		return E('a', { 'class': 'btn cbi-button', 'href': L.url('admin/' + page) + (query ?? '') }, [ text ]);
	},

	/* What needs attention, as attention.compose() gives it; read out when it changes. */
	strip() {
		const node = E('div', { 'role': 'status', 'aria-live': 'polite' });
		let drawn = null;

		return {
			node,
			update: entries => {
				const state = JSON.stringify(entries);

				if (state == drawn)
					return;

				drawn = state;
				replace(node, entries.map(entry => E('div', { 'class': 'alert-message ' + (entry.grave ? 'danger' : 'warning') }, [
					E('p', {}, [ E('strong', {}, [ entry.grave ? _('Problem:') : _('Please note:') ]), ' ', entry.text ]),
					entry.links.length ? E('p', {}, entry.links.flatMap(link => [ this.link(link), ' ' ])) : null
				])));
			}
		};
	},

	/* A table of names and values, each of one or more lines. */
	facts() {
		const node = E('table', { 'class': 'table' });
		const cells = new Map();

		return {
			node,
			update: pairs => {
				const names = pairs.map(([ name ]) => name);

				for (const [ name, { row } ] of cells)
					if (names.indexOf(name) == -1) {
						row.remove();
						cells.delete(name);
					}

				pairs.forEach(([ name, value ]) => {
					const texts = [].concat(value ?? '').map(String), state = JSON.stringify(texts);
					let cell = cells.get(name);

					if (!cell) {
						const field = E('td', { 'class': 'td left' });
						const row = E('tr', { 'class': 'tr' }, [
							E('th', { 'class': 'td left', 'scope': 'row', 'width': '33%' }, [ name ]),
							field
						]);

						cells.set(name, cell = { row, field, state: null });
						node.appendChild(row);
					}

					if (cell.state != state) {
						cell.state = state;
						replace(cell.field, texts.length == 1 ? texts : lines(texts));
					}
				});
			}
		};
	},

	/*
	 * A table whose rows stay the same elements while their keys are listed. `titles` has a text for each column,
	 * `make` gives a new row's cells, each an array of children, and `refresh` gets the elements around them when the row
	 * is listed again.
	 * Without rows it says `empty`, or what update() is told to say instead.
	 */
	table({ titles, empty, key, make, refresh, label }) {
		const head = E('tr', { 'class': 'tr table-titles' }, titles.map(title => E('th', { 'class': 'th', 'scope': 'col' }, [ title ])));
		const reason = E('em', {}, [ empty ]);
		const none = E('tr', { 'class': 'tr placeholder' }, [ E('td', { 'class': 'td', 'colspan': String(titles.length) }, [ reason ]) ]);
		const node = E('table', { 'class': 'table', 'aria-label': label }, [ head ]);
		const rows = new Map();
		let isTitled = true;

		const showTitle = ({ label }) => {
			label.hidden = isTitled || label.textContent == '';
		};

		new window.ResizeObserver(() => {
			isTitled = !isUntitled(head, node.querySelector('td[data-title]'));
			rows.forEach(row => row.cells.forEach(showTitle));
		}).observe(node);

		return {
			node,
			update: (items, instead) => {
				const listed = new Set(items.map(key));

				/* First, so that no row is moved for the sake of one that goes: moving takes the focus away. */
				for (const [ name, row ] of rows)
					if (!listed.has(name)) {
						row.node.remove();
						rows.delete(name);
					}

				none.remove();

				let last = head;

				items.forEach((item, place) => {
					const name = key(item);
					let row = rows.get(name);

					if (!row) {
						const cells = make(item).map((children, column) => Cell(titles[column], children));

						cells.forEach(showTitle);
						rows.set(name, row = { cells, node: E('tr', { 'class': 'tr' }, cells.map(cell => cell.node)) });
					}
					else {
						refresh?.(row.cells.map(cell => cell.value), item);
					}

					const look = 'tr cbi-rowstyle-%d'.format(place % 2 + 1);

					if (row.node.className != look)
						row.node.className = look;

					if (last.nextSibling !== row.node)
						last.after(row.node);

					last = row.node;
				});

				this.text(reason, instead ?? empty);

				if (!items.length)
					head.after(none);
			}
		};
	}
});
