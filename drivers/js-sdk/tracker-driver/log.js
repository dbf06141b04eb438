// Into Tracker's log, with the driver and the account named beside it. Capped in lines and length.

import { host } from './host.js';

export const debug = (message) => host().log('debug', message);
export const info = (message) => host().log('info', message);
export const warn = (message) => host().log('warn', message);
export const error = (message) => host().log('error', message);
