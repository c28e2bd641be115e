document.body.textContent = "Keyhole";
