// Sends the one form of the page that leads to a platform. Without it the page has a button.
"use strict";
document.forms[0].submit();
