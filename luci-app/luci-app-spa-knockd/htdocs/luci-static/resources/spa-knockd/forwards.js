'use strict';
'require baseclass';

/*
 * The firewall's port forwards as ways through that a knock could guard.
 */

const PORT = /^[1-9][0-9]{0,4}$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;

/* UCI has a list, or words with blanks between them. */
function words(value) {
	return [].concat(value ?? []).join(' ').split(/\s+/).filter(word => word.length);
}

function isPort(text) {
	return PORT.test(text) && Number(text) <= 65535;
}

/* The protocols of a redirect that our ways through have. */
function protocols(value) {
	const named = words(value).map(word => word.toLowerCase());

	if (!named.length || named.some(name => [ 'all', 'any', '*', 'tcpudp' ].indexOf(name) != -1))
		return [ 'tcp', 'udp' ];

	return [ 'tcp', 'udp' ].filter(name => named.indexOf(name) != -1 || named.indexOf(name == 'tcp' ? '6' : '17') != -1);
}

function isOn(value) {
	return [ '0', 'off', 'false', 'no', 'disabled' ].indexOf(String(value ?? '1')) == -1;
}

return baseclass.extend({
	/*
	 * The redirects of /etc/config/firewall, as LuCI's uci gives them, that lead everybody from these zones to a host
	 * behind the router: the section, its name, what it opens and leads to, and `forwards` as `list forward` has them.
	 * One that a stanza cannot express, a range of ports or one of some strangers only, has none.
	 */
	open(redirects, zones) {
		const outside = zones?.length ? zones : [ 'wan' ];

		return (redirects ?? []).filter(redirect =>
			isOn(redirect.enabled)
			&& (redirect.target ?? 'DNAT').toUpperCase() == 'DNAT'
			&& (redirect.src == '*' || outside.indexOf(redirect.src) != -1)
			&& IPV4.test(redirect.dest_ip ?? '')
		).map(redirect => {
			const from = words(redirect.src_dport), to = redirect.dest_port ?? from[0];
			const narrowed = [ 'src_ip', 'src_mac', 'src_port', 'src_dip', 'ipset', 'mark' ].some(name => redirect[name] != null);
			const exact = !narrowed && from.length == 1 && isPort(from[0]) && isPort(to ?? '');
			const named = protocols(redirect.proto);

			return {
				section: redirect['.name'],
				name: redirect.name ?? redirect['.name'],
				ports: named.map(proto => from.length ? '%s/%s'.format(proto, from.join(' ')) : proto),
				to: to ? '%s:%s'.format(redirect.dest_ip, to) : redirect.dest_ip,
				forwards: exact ? named.map(proto => '%s/%s=%s:%s'.format(proto, from[0], redirect.dest_ip, to)) : []
			};
		});
	},

	/* The redirect by which a port that a stanza guards leads elsewhere, where it is one of these. */
	behind(exposed, open) {
		if (!exposed?.redirect)
			return null;

		return open.find(forward => forward.to == exposed.to
			&& forward.forwards.some(text => text.startsWith('%s/%s='.format(exposed.proto, exposed.port)))) ?? null;
	},

	/* The query of the Users page that offers these ways through to a new user. */
	query(forwards) {
		return '?' + forwards.map(forward => 'forward=' + encodeURIComponent(forward)).join('&');
	}
});
