/*
 * What the web server hands out: the files of LUCI_SRC and of the package, and the frame around a view.
 */
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

export const APP = fileURLToPath(new URL('../../luci-app/luci-app-spa-knockd', import.meta.url));

const LUCI = process.env.LUCI_SRC;
const PLACES = [ APP, `${LUCI}/modules/luci-base`, `${LUCI}/themes/luci-theme-bootstrap`, `${LUCI}/themes/luci-theme-material`,
	`${LUCI}/libs/luci-lib-uqr` ];
const KINDS = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png' };

/* The file that belongs to a path below /luci-static; null where there is none. */
export function asset(path) {
	if (!path.startsWith('/luci-static/') || path.includes('..'))
		return null;

	for (const place of PLACES) {
		try {
			return { kind: KINDS[extname(path)] ?? 'application/octet-stream', content: readFileSync(`${place}/htdocs${path}`) };
		}
		catch (error) {
			if (error.code != 'ENOENT')
				throw error;
		}
	}

	return null;
}

export function loginPage() {
	return '<!DOCTYPE html><title>Log in</title><form method="post">'
		+ '<input name="luci_username"><input name="luci_password" type="password"><button>Log in</button></form>';
}

/* A page of LuCI that shows a view, in a theme. */
export function viewPage(theme, view, env) {
	const media = `/luci-static/${theme}`;
	const body = theme == 'material'
		? '<header><div class="fill"><div class="container"><span class="showSide"></span><a class="brand" href="#">Router</a>'
			+ '<span class="status" id="indicators"></span></div></div></header><div class="main"><div class="loading"></div><div class="main-left" id="mainmenu"></div>'
			+ '<div class="main-right"><div class="darkMask"></div><div id="maincontent"><div class="container"><div id="tabmenu"></div>'
		: '<header><a class="brand" href="/">Router</a><ul class="nav" id="topmenu"></ul><div id="indicators" class="pull-right"></div></header>'
			+ '<div id="maincontent" class="container"><div id="tabmenu"></div><div><div><div>';

	return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Router</title>
<script>document.documentElement.dataset.darkmode = matchMedia('(prefers-color-scheme: dark)').matches</script>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${media}/cascade.css">
${theme == 'bootstrap' ? `<link rel="stylesheet" media="only screen and (max-device-width: 854px)" href="${media}/mobile.css">` : ''}
<script>window.TR = {}</script><script src="/luci-static/resources/cbi.js"></script></head>
<body class="lang_en logged-in">${body}
<script src="/luci-static/resources/luci.js"></script><script>L = new LuCI(${JSON.stringify({ media, ...env })})</script>
<div id="view"><script>L.require('ui').then(ui => ui.instantiateView('${view}'))</script></div>
</div></div></div></div><ul id="modemenu" hidden></ul><script>L.require('menu-${theme}')</script></body></html>`;
}
