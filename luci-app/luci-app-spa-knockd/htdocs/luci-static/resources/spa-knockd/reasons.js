'use strict';
'require baseclass';

/* Made from src/reason.rs by UPDATE_DOCS=1 cargo test --test luci; a test keeps it true. */
return baseclass.extend({
	/* By its code: what a refusal means, and whether the sender held the keys. */
	table: {
		'frame_cut': { genuine: false, text: _('The frame ends before its headers do.') },
		'frame_not_ip': { genuine: false, text: _('The frame carries neither IPv4 nor IPv6.') },
		'frame_outgoing': { genuine: false, text: _('The frame was sent by this host itself.') },
		'frame_malformed': { genuine: false, text: _('A header contradicts itself: a wrong version, or a length that does not fit.') },
		'fragment': { genuine: false, text: _('The packet is a fragment; a knock fits one packet.') },
		'frame_transport': { genuine: false, text: _('The packet carries none of the transports that knocks use.') },
		'size': { genuine: false, text: _('The payload is shorter or longer than any knock; fwknop\'s are 140 to 1500 characters.') },
		'prefix': { genuine: false, text: _('The payload begins with the salt prefix that fwknop\'s client takes off: a replay trick.') },
		'base64': { genuine: false, text: _('The payload has a byte outside the base64 alphabet, padding, or bits that no encoder leaves.') },
		'http': { genuine: false, text: _('The payload is an HTTP request that is no knock: its data is shorter than a packet, or "User-Agent: Fwknop" is missing and "any_user_agent" is 0.') },
		'source': { genuine: false, text: _('The packet\'s source address is not in the stanza\'s "source" list.') },
		'destination': { genuine: false, text: _('The packet\'s destination address is not in the stanza\'s "destination" list.') },
		'expired': { genuine: false, text: _('The stanza\'s "expires" date has passed.') },
		'hmac': { genuine: false, text: _('The HMAC is wrong or missing: another HMAC key, another HMAC digest, or a changed packet.') },
		'decrypt': { genuine: false, text: _('Decryption gave no knock: another key, another encryption mode, or a damaged packet.') },
		'digest': { genuine: true, text: _('The digest inside the packet does not match its fields.') },
		'fields': { genuine: true, text: _('A field of the packet is missing, too many, too long or not what it must be.') },
		'message': { genuine: true, text: _('The message of the packet does not name an address and ports, or a command, as its type demands.') },
		'nat': { genuine: true, text: _('The NAT field of the packet is not a host and a port.') },
		'clock_not_set': { genuine: true, text: _('The router\'s clock stands before the program\'s date, or more than "max_age" behind the last honoured knock, so no time can be judged; this ends by itself once NTP has set the clock. If it had been wrongly in the future, "spa-knockd state reset" is the remedy.') },
		'too_old': { genuine: true, text: _('The knock is older than "max_age": the client\'s or the router\'s clock is off, or the packet was kept back.') },
		'too_new': { genuine: true, text: _('The knock is more than "max_age" in the future: the client\'s or the router\'s clock is off.') },
		'replay': { genuine: true, text: _('This knock was seen before, or is no newer than one that was seen and forgotten. If the router\'s clock had been wrongly in the future, "spa-knockd state reset" is the remedy.') },
		'not_newer': { genuine: true, text: _('The knock is not newer than the newest one that this stanza honoured before the last reboot, or ever where "max_age" is 0. If the clock had been wrongly in the future, "spa-knockd state reset" is the remedy.') },
		'replay_full': { genuine: true, text: _('The replay memory is full of knocks that are still fresh; wait for "max_age" seconds.') },
		'username': { genuine: true, text: _('The user name in the knock is not the stanza\'s "require_username".') },
		'source_address_required': { genuine: true, text: _('The knock leaves the address open (0.0.0.0), and the stanza demands one, or "X-Forwarded-For" names several: knock with "-a" or "-R", or set "require_source_address" to 0.') },
		'family': { genuine: true, text: _('The address to open for is of another family than the packet\'s: IPv6 is granted only to a knock that came over IPv6, and a destination must be of the source\'s family.') },
		'address_forbidden': { genuine: true, text: _('The address to open for is loopback, link-local, multicast, reserved, or the router\'s own.') },
		'command_not_allowed': { genuine: true, text: _('The knock is a command message, and its text is not the name of one of the stanza\'s commands: see "command".') },
		'nat_not_allowed': { genuine: true, text: _('The knock asks for a forward to an inside host, and the stanza does not allow that: see "forward" and "allow_nat".') },
		'local_nat_not_allowed': { genuine: true, text: _('The knock asks for a redirect on the router itself, and the stanza does not allow that: see "allow_local_nat".') },
		'port_restricted': { genuine: true, text: _('The knock asks for a port in the stanza\'s "restrict" list.') },
		'port_not_allowed': { genuine: true, text: _('The knock asks for a port that is not in the stanza\'s "open" list.') },
		'nat_name': { genuine: true, text: _('The NAT request names a host, and the stanza does not let names be looked up: knock with the host\'s address, or set "nat_dns" to 1.') },
		'nat_unresolved': { genuine: true, text: _('The host name of the NAT request has no address: the router\'s resolver does not know it or did not answer in time, or too many look-ups were under way.') },
		'nat_target': { genuine: true, text: _('The NAT request leads to where it may not: to an address outside "nat_target" (by default the networks behind the router), to the router itself, or to a loopback, link-local, multicast or broadcast address. A redirect on the router itself must lead to one of its own addresses.') },
		'journal': { genuine: true, text: _('The journal in the run directory cannot be written, so a replay could not be told later.') },
		'firewall_missing': { genuine: true, text: _('The nftables table or set is missing; in fw4 mode, is the drop-in installed and the firewall started?') },
		'firewall_full': { genuine: true, text: _('The nftables set is full.') },
		'firewall_denied': { genuine: true, text: _('The kernel denied the change of the firewall; the daemon needs "CAP_NET_ADMIN".') },
		'firewall_error': { genuine: true, text: _('The kernel refused the change of the firewall for another reason; the log has its error.') },
		'helper': { genuine: true, text: _('The command was allowed, and the helper process could not be told: it is busy or gone; the log has its error.') },
		'closing_full': { genuine: true, text: _('The stanza has an "on_close", and the daemon cannot remember one more grant whose end has a command run; wait for the end of another one.') }
	}
});
