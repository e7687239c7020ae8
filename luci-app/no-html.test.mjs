/* The rule lets pass what is text or ours, and nothing else. */
import { RuleTester } from 'eslint';
import noHtml from './no-html.mjs';

const bad = (messageId, ...codes) => codes.map(code => ({ code, errors: [ { messageId } ] }));

new RuleTester({ languageOptions: { ecmaVersion: 2022, sourceType: 'script' } }).run('no-html', noHtml, {
	valid: [
		"E('p', {}, [ name ])",
		"E('p', {}, [ `<b>${name}</b>`, ...names ])",
		"E('p', [ name ])",
		"E('ul', {}, names.map(name => E('li', {}, [ name ])))",
		"E('br')",
		"E([])",
		"E([], [ one, other ])",
		"E(uqr.renderSVG(text, {}))",
		"E('a', { href: L.url('admin/x') + query, click: () => {} }, [ name ])",
		"dom.content(node, [ name ])",
		"dom.content(node, E('p', {}, [ name ]))",
		"ui.showModal([ _('User %s').format(name) ], [ node ])",
		"ui.addNotification(null, E('p', {}, [ name ]), 'info')",
		"s.taboption('general', form.Value, 'name', _('Name'), _('What it is.'))",
		"new form.Map('config', _('Title'), _('Description'))",
		"o.textvalue = function(id) { return '%h s'.format(this.cfgvalue(id)); }",
		"s.modaltitle = id => '100 %% %h'.format(id)",
		"node.textContent = name",
		"node.replaceChildren(name)",
		"option.write = function() {}"
	],
	invalid: [
		...bad('text', "E('p', {}, name)", "E('p', name)", "E('p', {}, 'text')", "E('p', {}, _('text'))", "E('p', {}, reply.error)", "E('p', {}, `${name}`)",
			"E('p', {}, '%s'.format(name))", "E('p', {}, 'a' + name)", "E('p', {}, () => name)", "E('p', {}, names.join())", "E('p', {}, is ? [ name ] : name)",
			"dom.content(node, name)", "dom.append(node, name)", "ui.showModal(_('Title'), [ name ])", "ui.showModal([ _('Title') ], name)",
			"ui.addNotification(null, name)", "ui.addNotification(name, E('p', {}, [ name ]))"),
		...bad('tag', "E(name)", "E('<b>' + name)", "E('<b></b>')", "E(`<b>`)", "E(html(), {}, [ name ])"),
		...bad('own', "s.option(form.Value, 'name', name)", "s.taboption('general', form.Value, 'name', _('Name'), _('Of %s').format(name))", "new form.Map('config', name)",
			"s.tab('general', name)", "map.section(form.NamedSection, 'main', 'type', name)"),
		...bad('escape', "o.textvalue = id => id", "o.textvalue = id => '%s'.format(id)", "s.modaltitle = id => _('User %h').format(id)", "o.textvalue = function(id) { return this.cfgvalue(id); }",
			"s.modaltitle = title",
			"o.textvalue = function(id) { if (id) return id; }"),
		...bad('address', "E('a', { href: address }, [ name ])", "E('img', { 'src': `${address}` })", "E('a', { href: scheme + L.url('x') }, [ name ])"),
		...bad('attribute', "E('b', { onclick: 'do(\"' + name + '\")' }, [ name ])"),
		...bad('html', "node.innerHTML = name", "node.outerHTML += name", "node.insertAdjacentHTML('beforeend', name)", "document.write(name)", "dom.parse(name)",
			"new DOMParser()", "range.createContextualFragment(name)", "node.setHTMLUnsafe(name)")
	]
});
