/*
 * From a fresh install to a phone that knocks, and what else is done on the pages, in this order.
 */
import './fresh.mjs';
import './editing.mjs';
import './passwords.mjs';
import './trying.mjs';
import './trouble.mjs';
import './looks.mjs';
import './crowd.mjs';
