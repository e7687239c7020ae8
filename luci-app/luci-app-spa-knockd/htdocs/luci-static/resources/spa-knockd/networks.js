'use strict';
'require baseclass';
'require dom';
'require tools.widgets as widgets';
'require spa-knockd.agree as agree';

/*
 * LuCI's choice of networks, with those that netifd does not know now: they are not lost when the page is saved. No
 * subclass: the widget loads late, and LuCI's `super` cannot follow one there.
 */

return baseclass.extend({
	keepUnknown(option) {
		option.renderWidget = function(section_id, option_index, cfgvalue) {
			const node = widgets.NetworkSelect.prototype.renderWidget.call(this, section_id, option_index, cfgvalue);
			const names = agree.list(cfgvalue);

			if (names.some(name => !agree.list(dom.callClassMethod(node, 'getValue')).includes(name)))
				dom.callClassMethod(node, 'setValue', names);

			return node;
		};
	}
});
