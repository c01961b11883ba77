// Starts Locum's WebAssembly half. It stands in for go-app's own app.js and registers no service worker: every load is
// the current build, and no cache ever answers for the API. Values in double braces are filled in once, at start.
"use strict";

var goappNav = function () {};
var goappOnUpdate = function () {};
var goappOnAppInstallChange = function () {};
var goappUpdatedBeforeWasmLoaded = false;
var goappAppInstallChangedBeforeWasmLoaded = false;

const goappEnv = {{env}};

function goappGetenv(name) { return goappEnv[name]; }
function goappTryUpdate() {}
function goappIsAppInstallable() { return false; }
function goappIsAppInstalled() { return false; }
async function goappShowInstallPrompt() {}
async function goappSubscribePushNotifications() { return ""; }
function goappNewNotification() {}

// go-app asks for this when it mounts; what extensions add to the body is taken out again until it is told to stop.
function goappKeepBodyClean() {
  const body = document.body;
  const count = body.children.length;
  const observer = new MutationObserver(function () {
    while (body.children.length > count) body.removeChild(body.lastChild);
  });
  observer.observe(body, { childList: true });
  return function () { observer.disconnect(); };
}

async function locumStart() {
  const loader = document.getElementById("app-wasm-loader");
  try {
    const go = new Go();
    const { instance } = await WebAssembly.instantiateStreaming(fetch("{{wasm}}"), go.importObject);
    go.run(instance);
    if (loader) loader.remove();
  } catch (err) {
    const label = document.getElementById("app-wasm-loader-label");
    if (label) label.innerText = String(err);
    if (loader) loader.className = "goapp-app-info locum-failed";
    console.error("Locum could not start:", err);
  }
}

// A service worker that an earlier front end on this origin may have left behind would answer in our place.
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.getRegistrations()
    .then(function (all) { all.forEach(function (one) { one.unregister(); }); })
    .catch(function () {});
}

locumStart();
