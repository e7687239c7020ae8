'use strict';
'require baseclass';
'require spa-knockd.address as address';
'require spa-knockd.validate as validate';

/*
 * Whether one value of an option of the page of one-time passwords is right, as the daemon's parser judges it.
 */

const HOST_MAX = 253, PATH_MAX = 255, PORT_MIN = 1024;

/* A network that is not everybody's; `everybody` says why not. */
function narrow(everybody) {
	return validate.printable(value => {
		const verdict = validate.network(value);

		if (verdict !== true)
			return verdict;

		return (value != 'any' && address.parseNetwork(value).length > 0) || everybody();
	});
}

const plainNetwork = narrow(() => _('Name the networks at home: without TLS, whoever listens on the way gets the password first.'));

const proxy = narrow(() => _('Name your own proxies: everybody else could name any address as a visitor.'));

const hostAddress = validate.printable(value => {
	const bytes = address.parse(value);
	const isMulticast = bytes?.length == 4 ? (bytes[0] >= 224 && bytes[0] < 240) : bytes?.[0] == 255;

	return (bytes != null && !isMulticast) || _('Write an address of the router, such as 192.168.1.1, or :: for all.');
});

const host = validate.printable(value => {
	const bare = /^\[(.*)\]$/.exec(value)?.[1];
	const name = value.replace(/\.$/, '');

	if ((bare != null) ? address.parse6(bare) : address.parse(value))
		return true;

	return (name.length <= HOST_MAX && name.split('.').every(label => /^[A-Za-z0-9_-]{1,63}$/.test(label)))
		|| _('Write the name or the address under which the page is reached, such as knock.example.net, without a port.');
});

/* The firewall takes a number with a zero in front for octal; and below 1024 only root may listen, which the web server is not. */
const port = validate.printable(value => value == '0' || (validate.isPortNumber(value) && value[0] != '0' && Number(value) >= PORT_MIN)
	|| _('Write a port from 1024 to 65535, or 0 for none. The firewall can redirect another one to it.'));

const path = validate.printable(value => (value.length <= PATH_MAX && /^\/[A-Za-z0-9/._+-]*$/.test(value))
	|| _('Write the full path of a file, such as /etc/uhttpd.crt: letters, digits and ._+- alone.'));

return baseclass.extend({ plainNetwork, proxy, hostAddress, host, port, path });
