/*
 * A stand-in for uhttpd, rpcd and procd around the real program: LuCI's files, logins, UCI and ubus over HTTP.
 *
 *   LUCI_SRC=… node server.mjs PROGRAM DIRECTORY ADDRESS
 *
 * DIRECTORY/etc has the UCI files; the program keeps its own in DIRECTORY/state and DIRECTORY/run.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Daemon } from './daemon.mjs';
import { APP, asset, loginPage, viewPage } from './files.mjs';
import * as rights from './rights.mjs';
import { Uci } from './uci.mjs';

const [ , , PROGRAM, DIRECTORY, ADDRESS ] = process.argv;
const CONFIG = 'spa-knockd', BODY_MAX = 65536, DENIED = 6;
const MENU = JSON.parse(readFileSync(`${APP}/root/usr/share/luci/menu.d/luci-app-spa-knockd.json`, 'utf8'));
/* All others are said to have nothing. */
const OTHERS = { 'network.interface dump': { interface: [] } };

const uci = new Uci(`${DIRECTORY}/etc`);
const daemon = new Daemon(PROGRAM, DIRECTORY, devices);
const sessions = new Map();
let hasPlugin = true;

/* The devices of the networks that knocks are awaited on, as netifd would tell the init script. */
function devices() {
	const { network, device } = uci.get('', { config: CONFIG }).values.main;
	const known = uci.get('', { config: 'network' }).values;

	return [ network ?? (device ? [] : 'wan') ].flat().map(name => known[name]?.device).filter(Boolean);
}

/* Has the daemon follow the configuration, as procd's trigger does. */
function follow() {
	return daemon.follow(uci.get('', { config: CONFIG }).values.main?.enabled == '1');
}

/* What befalls a router, for the tests alone. */
const MISHAPS = {
	'follow': follow,
	'stop': () => daemon.stop(),
	'take the plugin away': () => {
		hasPlugin = false;
	},
	'put the plugin back': () => {
		hasPlugin = true;
	}
};

/* Puts what a session has staged into force, and tells the daemon. */
async function apply(session) {
	if (uci.apply(session).includes(CONFIG))
		await follow();
}

async function askUci(session, method, args) {
	const right = [ 'get', 'changes' ].includes(method) ? 'read' : 'write';

	if (args.config && !rights.mayUci(sessions.get(session), args.config, right))
		throw DENIED;

	if (method == 'apply')
		await apply(session);

	return [ 'apply', 'confirm' ].includes(method) ? null : uci[method](session, args);
}

/* What an object of ubus answers, null for nothing; a number that is thrown is the status. */
function ask(session, object, method, args) {
	if (object == 'session' && method == 'access')
		return { access: args.scope == 'uci'
			? rights.mayUci(sessions.get(session), args.object, args.function)
			: rights.mayCall(sessions.get(session), args.object, args.function) };

	if (object == 'uci')
		return askUci(session, method, args);

	return object == CONFIG ? daemon.ask(method, { ...args, ubus_rpc_session: session }) : OTHERS[`${object} ${method}`] ?? {};
}

async function answer({ id, method, params }) {
	const [ session, object, name, args ] = params ?? [];
	const reply = content => ({ jsonrpc: '2.0', id, ...content });

	/* LuCI asks for a list to find out whether somebody is there. */
	if (method != 'call')
		return reply({ result: {} });

	if (!sessions.has(session) || !rights.mayCall(sessions.get(session), object, name))
		return reply({ error: { code: -32002, message: 'Access denied' } });

	if (object == CONFIG && !hasPlugin)
		return reply({ error: { code: -32000, message: 'Object not found' } });

	try {
		const said = await ask(session, object, name, args ?? {});

		return reply({ result: said == null ? [ 0 ] : [ 0, said ] });
	}
	catch (status) {
		if (typeof(status) != 'number')
			console.error(status);

		return reply({ result: [ typeof(status) == 'number' ? status : 9 ] });
	}
}

/* The menu that this login sees. */
function menu(who) {
	const services = { title: 'Services', satisfied: true, action: { type: 'firstchild' }, children: {} };

	for (const [ path, { title, order, action, depends } ] of Object.entries(MENU)) {
		const names = path.split('/').slice(2);
		const parent = names.slice(0, -1).reduce((node, name) => node.children[name], services);

		parent.children[names.at(-1)] = { title, order, action, children: {}, ...rights.page(who, depends?.acl ?? []) };
	}

	return { satisfied: true, children: { admin: { title: 'Administration', satisfied: true, action: { type: 'firstchild' }, children: { services } } } };
}

/* What LuCI's own programs do with staged changes. */
async function change(session, what) {
	if (what == 'revert')
		uci.revert(session);
	else if (what.startsWith('apply'))
		await apply(session);

	return { status: 200, kind: 'application/json', content: '{}' };
}

function logIn(body, url) {
	const form = new URLSearchParams(body);
	const who = rights.login(form.get('luci_username'), form.get('luci_password'));
	const session = randomBytes(16).toString('hex');

	if (!who)
		return { status: 403, kind: 'text/html', content: loginPage() };

	sessions.set(session, who);

	return { status: 302, kind: 'text/plain', content: '', headers: { 'Location': url, 'Set-Cookie': `sysauth=${session}; Path=/; HttpOnly; SameSite=Strict` } };
}

async function respond(request, body) {
	const url = new URL(request.url, 'http://router');
	const file = asset(url.pathname);
	const session = /sysauth=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
	const path = url.pathname.replace('/cgi-bin/luci/', '');
	const who = sessions.get(session);

	if (file)
		return { status: 200, ...file };

	if (url.pathname == '/mishap') {
		await MISHAPS[body]();

		return { status: 204, kind: 'text/plain', content: '' };
	}

	if (body.length > BODY_MAX)
		return { status: 413, kind: 'text/plain', content: '' };

	if (url.pathname.startsWith('/ubus')) {
		const asked = JSON.parse(body);
		const replies = await Promise.all([].concat(asked).map(answer));

		return { status: 200, kind: 'application/json', content: JSON.stringify(Array.isArray(asked) ? replies : replies[0]) };
	}

	if (path == 'logout' || !who) {
		sessions.delete(session);

		return request.method == 'POST' ? logIn(body, request.url) : { status: 403, kind: 'text/html', content: loginPage() };
	}

	if (path == 'admin/menu')
		return { status: 200, kind: 'application/json', content: JSON.stringify(menu(who)) };

	if (path.startsWith('admin/uci/'))
		return change(session, path.slice('admin/uci/'.length));

	const page = MENU[path];
	const node = page && rights.page(who, page.depends?.acl ?? []);

	if (page?.action.type != 'view' || !node.satisfied)
		return { status: page ? 403 : 404, kind: 'text/plain', content: 'No such page, or no right to see it.' };

	return { status: 200, kind: 'text/html; charset=utf-8', content: viewPage(url.searchParams.get('theme') ?? 'bootstrap', page.action.path, {
		resource: '/luci-static/resources', scriptname: '/cgi-bin/luci', pathinfo: `/${path}`, requestpath: path.split('/'),
		dispatchpath: path.split('/'), pollinterval: 5, ubuspath: '/ubus/', sessionid: session, token: session, nodespec: node,
		apply_rollback: 90, apply_holdoff: 1, apply_timeout: 5, apply_display: 1
	}) };
}

createServer(async (request, response) => {
	let body = '';

	for await (const chunk of request)
		body += chunk;

	const { status, kind, content, headers } = await respond(request, body).catch(error => {
		console.error(error);

		return { status: typeof(error) == 'number' ? 204 : 500, kind: 'text/plain', content: '' };
	});

	response.writeHead(status, { 'Content-Type': kind, 'Cache-Control': 'no-store', ...headers });
	response.end(content);
}).listen(80, ADDRESS, () => console.log('listening'));
