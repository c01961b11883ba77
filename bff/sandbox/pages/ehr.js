"use strict";
// Tells the embedded app, and nobody else, that the EHR shows another patient.
const frame = document.getElementById("app");
for (const button of document.querySelectorAll("button.context")) {
  button.addEventListener("click", () => {
    const message = { event: "patientContextChanged", updatedPatient: button.dataset.patient || undefined };
    frame.contentWindow.postMessage(message, frame.dataset.origin);
    document.getElementById("told").textContent = "Told the app: " + button.textContent;
  });
}
