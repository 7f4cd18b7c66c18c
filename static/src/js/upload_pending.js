/* The one unfinished upload of a form, remembered across reloads. A browser forgets the file itself, so the member
   chooses it again; name, size and date tell that it is the same. tus keeps the address under its own key. */

const DAY = 24 * 3600 * 1000;

export class Pending {
  constructor(scope) {
    this.key = `gristmill.upload.${scope}`;
    this.record = this.load();
    this.savedAt = 0;
  }

  load() {
    try {
      const record = JSON.parse(localStorage.getItem(this.key) ?? "null");
      return record && Date.now() - record.at < DAY ? record : null;
    } catch {
      return null; // no storage, or not ours: the upload then simply starts anew
    }
  }

  matches(file) {
    const record = this.record;
    return Boolean(record && file && record.filename === file.name && record.size === file.size && record.modified === file.lastModified);
  }

  save(values, file) {
    const sent = this.matches(file) ? this.record.sent : 0;
    this.record = { ...values, filename: file.name, size: file.size, modified: file.lastModified, sent, at: Date.now() };
    this.write();
  }

  /** Called for every progress event; written once a second at most. */
  sent(count) {
    if (!this.record || Date.now() - this.savedAt < 1000) return;
    this.record.sent = count;
    this.record.at = Date.now();
    this.write();
  }

  clear() {
    this.record = null;
    try {
      localStorage.removeItem(this.key);
    } catch {
      // nothing was kept
    }
  }

  write() {
    this.savedAt = Date.now();
    try {
      localStorage.setItem(this.key, JSON.stringify(this.record));
    } catch {
      // not remembered: a reload then starts the upload anew
    }
  }
}
