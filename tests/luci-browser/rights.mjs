/*
 * Who may what: the logins of the test, judged by the ACL files of the package as rpcd judges them.
 */
import { readFileSync } from 'node:fs';
import { APP } from './files.mjs';

const ACL = JSON.parse(readFileSync(`${APP}/root/usr/share/rpcd/acl.d/luci-app-spa-knockd.json`, 'utf8'));

/* Every login has the password `test`. */
const LOGINS = {
	root: { read: Object.keys(ACL), write: Object.keys(ACL), everything: true },
	viewer: { read: [ 'luci-app-spa-knockd-status' ], write: [] }
};

export function login(name, password) {
	return (password == 'test' && Object.hasOwn(LOGINS, name)) ? LOGINS[name] : null;
}

/* Whether it is granted to call this method of ubus. */
export function mayCall(who, object, method) {
	return who.everything || object != 'spa-knockd' || [ 'read', 'write' ].some(right =>
		who[right].some(group => ACL[group][right]?.ubus?.[object]?.includes(method)));
}

/* Whether it is granted to read or write this file of UCI. */
export function mayUci(who, config, right) {
	return who.everything || who[right].some(group => ACL[group][right]?.uci?.includes(config));
}

/* What LuCI's menu makes of a page's groups: hidden without the right to read, and read-only without that to write. */
export function page(who, groups) {
	return {
		satisfied: groups.every(group => who.read.includes(group)),
		readonly: !groups.every(group => ACL[group].write == null || who.write.includes(group))
	};
}
