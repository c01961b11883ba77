// Ends itself: no fetch listener, all caches deleted, unregistered. A browser that still has an earlier worker of this
// origin fetches this file and is clean afterwards.
"use strict";
self.addEventListener("install", function () { self.skipWaiting(); });
self.addEventListener("activate", function (event) {
  event.waitUntil(caches.keys()
    .then(function (names) { return Promise.all(names.map(function (name) { return caches.delete(name); })); })
    .then(function () { return self.registration.unregister(); }));
});
