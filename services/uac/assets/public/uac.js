/**
 * Makes the forms answer in place. Without this script they are sent as plain forms and answered by pages.
 * No text stands here: what people read comes from the page or from the service.
 */
const page = document.body.dataset;
const NOT_ACTIVE = 10011106;

for (const form of document.querySelectorAll('form[data-form]')) {
  form.noValidate = true;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit(form);
  });
}
for (const button of document.querySelectorAll('[data-reveal]')) addReveal(button);
for (const input of document.querySelectorAll('input[data-check]')) input.addEventListener('change', () => checkFree(input));
for (const input of document.querySelectorAll('.field input')) input.addEventListener('input', () => showFieldError(input.name, ''));

const HANDLERS = {
  register(_form, answer) {
    const email = answer.result.email;
    document.querySelector('[data-registered-email]').textContent = email;
    document.querySelector('[data-panel="done"] input[name="email"]').value = email;
    document.querySelector('[data-panel="form"]').hidden = true;
    const done = document.querySelector('[data-panel="done"]');
    done.hidden = false;
    done.querySelector('[data-focus]').focus();
    window.scrollTo(0, 0);
  },
  login() {
    window.location.assign('/me');
  },
  resend(form) {
    showStatus(form, form.dataset.done, false);
  },
};

/** Sends a form as JSON, once at a time, and shows what the service says. */
async function submit(form) {
  const button = form.querySelector('button[type="submit"]');
  if (button.getAttribute('aria-busy') === 'true') return;
  const label = button.textContent;
  button.setAttribute('aria-busy', 'true');
  button.textContent = form.dataset.busy;
  clearErrors(form);
  try {
    const answer = await post(form.getAttribute('action'), Object.fromEntries(new FormData(form)));
    if (answer.code === 200) HANDLERS[form.dataset.form](form, answer);
    else showRefusal(form, answer);
  } catch {
    showProblem(form, page.networkError);
  } finally {
    button.removeAttribute('aria-busy');
    button.textContent = label;
  }
}

async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json', 'x-uac-session': 'cookie' },
    body: JSON.stringify(body),
  });
  return response.json();
}

/** Shows all that is wrong at once, each at its field; what belongs to no field of the form stands above it. */
function showRefusal(form, answer) {
  const inputOf = ({ field }) => form.querySelector(`.field input[name="${field}"]`);
  const errors = (answer.errors ?? []).filter(inputOf);
  for (const { field, message } of errors.toReversed()) showFieldError(field, message);
  if (errors.length > 0) form.querySelector('.field.bad input').focus();
  else showProblem(form, answer.message);
  const inactive = document.querySelector('[data-inactive]');
  if (inactive) inactive.hidden = answer.code !== NOT_ACTIVE;
}

function showProblem(form, text) {
  const problem = form.parentElement.querySelector('[data-problem]');
  if (!problem) return showStatus(form, text, true);
  problem.textContent = text;
  problem.hidden = text === '';
}

function showStatus(form, text, bad) {
  const status = form.querySelector('[data-status]');
  if (!status) return;
  status.textContent = text;
  status.classList.toggle('bad', bad);
}

function showFieldError(name, text) {
  const error = document.getElementById(`${name}-error`);
  if (!error) return;
  error.textContent = text;
  error.closest('.field').classList.toggle('bad', text !== '');
  document.getElementById(name).toggleAttribute('aria-invalid', text !== '');
}

function clearErrors(form) {
  showProblem(form, '');
  showStatus(form, '', false);
  for (const input of form.querySelectorAll('.field input')) showFieldError(input.name, '');
}

/** Says early that a name, address or number is taken or malformed; the registration itself decides. */
async function checkFree(input) {
  const value = input.value.trim();
  if (value === '') return;
  try {
    const answer = await post('/auth/checkValid', { type: input.dataset.check, validValue: value });
    const refused = answer.code !== 200 || answer.result !== true;
    if (input.value.trim() === value && refused && answer.code !== 500) showFieldError(input.name, answer.message);
  } catch {
    // Only a help while typing: the registration itself will say it.
  }
}

function addReveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener('click', () => {
    const shown = input.type === 'text';
    input.type = shown ? 'password' : 'text';
    button.setAttribute('aria-pressed', String(!shown));
    button.setAttribute('aria-label', shown ? button.dataset.show : button.dataset.hide);
  });
}
