//! The commands about keys: create, list, show, copy, reveal, edit, disable, enable.
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    CreateArguments, EditArguments, Failure, ListArguments,
    output::{self, Output, brief, key_json},
    refused,
};
use crate::{
    domain::{
        access::{AccessError, Area, Grants, find_area, parse_grant},
        allowlist::AllowList,
        attention::Attention,
        audit::Change,
        key::{Draft, Key, Seen},
        listing::{Direction, Filter, PageRequest, Sort, SortField},
        moment::{Moment, parse_expiry},
        review,
        text::{fitted, visible},
    },
    keyring::Keyring,
};

/// How many keys are read at a time.
const BATCH: u32 = 500;

pub(super) async fn create(
    keyring: &Keyring,
    arguments: &CreateArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let areas = keyring.areas().await?;
    let allow = arguments.allow_ip.as_deref().map(allow_list).transpose()?;
    let expires_at = arguments
        .expires
        .as_deref()
        .map(|when| expiry(when, keyring))
        .transpose()?;
    let mut grants = Grants::none();
    apply_grants(&mut grants, &arguments.grants, &areas)?;
    let draft = Draft {
        name: arguments.name.parse().map_err(refused)?,
        description: arguments
            .description
            .as_deref()
            .unwrap_or("")
            .parse()
            .map_err(refused)?,
        allow: allow.unwrap_or(AllowList::Anywhere),
        grants,
        expires_at: expires_at.flatten(),
    };
    let sentence = review::sentence(&draft, &areas);
    let created = keyring.create(draft).await?;
    let token = created.token.expose().expose_secret();
    if output.json {
        let mut fields = key_json(&created.key);
        if let Some(fields) = fields.as_object_mut() {
            // id and name, then the token, then the rest.
            fields.shift_insert(2, "token".into(), json!(token));
        }
        output.json(&fields)?;
    } else {
        output.line(token)?;
        output::tell("API key created successfully.");
        output::tell(&sentence);
    }
    for name in &created.look_alikes {
        output::complain(&format!(
            "the name looks like that of another key, {}: check that you did not mean that one",
            brief(name)
        ));
    }
    Ok(())
}

pub(super) async fn list(
    keyring: &Keyring,
    arguments: &ListArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let areas = keyring.areas().await?;
    let field = arguments.sort.field();
    let newest_first = matches!(field, SortField::Created | SortField::LastUsed);
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut request = PageRequest {
        filter: Filter {
            search: arguments.search.clone().unwrap_or_default(),
            attention: arguments.attention,
        },
        sort: Sort {
            field,
            descending: newest_first != arguments.reverse,
        },
        direction: Direction::First,
        limit: BATCH,
        now: keyring.now(),
    };
    let mut unreadable = Vec::new();
    let mut printer = ListPrinter::new(output, areas, request.now)?;
    while left > 0 {
        request.limit = BATCH.min(u32::try_from(left).unwrap_or(BATCH));
        let page = keyring.page(&request).await?;
        left -= page.rows.len() as u64;
        for row in &page.rows {
            printer.key(&row.key)?;
        }
        unreadable.extend(page.unreadable);
        match page.rows.into_iter().next_back() {
            Some(last) if page.more => request.direction = Direction::After(last.cursor),
            _ => break,
        }
    }
    printer.end()?;
    // They are missing above, and a script should not take the list for whole.
    unreadable.dedup();
    for error in &unreadable {
        output::complain(&error.to_string());
    }
    if unreadable.is_empty() {
        Ok(())
    } else {
        Err(Failure::Silent)
    }
}

/// Prints keys one by one, so that a list of any length needs no room: as one JSON array, as
/// aligned columns at a terminal, or as tab-separated lines for another program.
struct ListPrinter<'a> {
    output: &'a mut Output,
    areas: Vec<Area>,
    now: Moment,
    printed: u64,
    name_width: Option<usize>,
}

impl<'a> ListPrinter<'a> {
    fn new(output: &'a mut Output, areas: Vec<Area>, now: Moment) -> Result<Self, Failure> {
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let name_width = (Output::is_terminal() && !output.json).then(|| {
            width
                .saturating_sub(12 + 2 + 2 + 27 + 2 + 10 + 2 + 12)
                .clamp(12, 40)
        });
        if output.json {
            output.buffered(b"[")?;
        }
        Ok(Self {
            output,
            areas,
            now,
            printed: 0,
            name_width,
        })
    }

    fn key(&mut self, key: &Key) -> Result<(), Failure> {
        let first = self.printed == 0;
        self.printed += 1;
        if self.output.json {
            let separator = if first { "" } else { "," };
            return self
                .output
                .buffered(format!("{separator}{}", key_json(key)).as_bytes());
        }
        let name = visible(key.name());
        let access = review::access_words(&key.draft, &self.areas, visible);
        let created = key.created_at.date();
        let attention = Attention::of(key, self.now).map_or_else(String::new, |a| a.to_string());
        let line = if let Some(width) = self.name_width {
            if first {
                let head = format!(
                    "{:12}  {}  {}  {:10}  Attention\n",
                    "Id",
                    fitted("Name", width),
                    fitted("Access", 27),
                    "Created"
                );
                self.output.buffered(head.as_bytes())?;
            }
            let (name, access) = (fitted(&name, width), fitted(&access, 27));
            format!("{}  {name}  {access}  {created}  {attention}", key.id)
                .trim_end()
                .to_owned()
        } else {
            let expires = key
                .draft
                .expires_at
                .map_or_else(|| "never".to_owned(), Moment::as_expiry);
            let last = key
                .last_use
                .map_or_else(|| "-".to_owned(), |usage| usage.at.rfc3339());
            let allow = key.draft.allow.to_string();
            [
                key.id.as_str(),
                &name,
                &access,
                &created,
                &expires,
                &last,
                &allow,
                &attention,
            ]
            .join("\t")
        };
        self.output.buffered(format!("{line}\n").as_bytes())
    }

    fn end(self) -> Result<(), Failure> {
        if self.output.json {
            self.output.buffered(b"]\n")?;
        } else if self.printed == 0 && self.name_width.is_some() {
            output::tell("No keys. `claviger create NAME --grant contacts=read` makes one.");
        }
        self.output.flush()
    }
}

pub(super) async fn show(keyring: &Keyring, key: &str, output: &mut Output) -> Result<(), Failure> {
    let key = keyring.resolve(key).await?;
    if output.json {
        return output.json(&key_json(&key));
    }
    let areas = keyring.areas().await?;
    let now = keyring.now();
    let mut lines = vec![visible(key.name())];
    if !key.draft.description.as_str().is_empty() {
        lines.push(visible(key.draft.description.as_str()));
    }
    lines.push(review::sentence(&key.draft, &areas));
    lines.push(String::new());
    lines.push(format!("Id          {}", key.id));
    lines.push(format!("Status      {}", status(&key, now)));
    for area in &areas {
        let actions = key.draft.grants.of(&area.slug);
        lines.push(format!("{:<10}  {}", visible(&area.badge), actions.words()));
    }
    lines.push(format!("From        {}", key.draft.allow));
    lines.push(format!(
        "Created     {} UTC",
        key.created_at.date_and_clock()
    ));
    let expires = key
        .draft
        .expires_at
        .map_or_else(|| "never".to_owned(), Moment::as_expiry);
    lines.push(format!("Expires     {expires}"));
    lines.push(format!("Last used   {}", last_used(&key)));
    output.line(&lines.join("\n"))
}

fn last_used(key: &Key) -> String {
    let sentence = key.last_use_sentence();
    sentence
        .strip_prefix("last used ")
        .map_or(sentence.clone(), str::to_owned)
}

fn status(key: &Key, now: Moment) -> String {
    match key.disabled_at {
        Some(since) => format!("disabled since {} UTC", since.date_and_clock()),
        None => match Attention::of(key, now) {
            Some(attention @ Attention::Expired) => attention.to_string(),
            Some(attention) => format!("active, {attention}"),
            None => "active".to_owned(),
        },
    }
}

pub(super) async fn reveal(
    keyring: &Keyring,
    key: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let key = keyring.resolve(key).await?;
    let token = keyring.token(&key.id, Change::Revealed).await?;
    let token = token.expose().expose_secret();
    if output.json {
        return output.json(&json!({ "id": key.id.as_str(), "name": key.name(), "token": token }));
    }
    output.line(token)
}

pub(super) async fn edit(
    keyring: &Keyring,
    arguments: &EditArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let EditArguments {
        key,
        name,
        description,
        allow_ip,
        grants,
        expires,
    } = arguments;
    let nothing =
        name.is_none() && description.is_none() && allow_ip.is_none() && expires.is_none();
    if nothing && grants.is_empty() {
        return Err(Failure::Refused(
            "nothing to change: name at least one of --name, --description, --allow-ip, --grant, --expires".into(),
        ));
    }
    let key = keyring.resolve(key).await?;
    let mut draft = key.draft.clone();
    if let Some(name) = name {
        draft.name = name.parse().map_err(refused)?;
    }
    if let Some(description) = description {
        draft.description = description.parse().map_err(refused)?;
    }
    if let Some(list) = allow_ip {
        draft.allow = allow_list(list)?;
    }
    apply_grants(&mut draft.grants, grants, &keyring.areas().await?)?;
    if let Some(when) = expires {
        draft.expires_at = expiry(when, keyring)?;
    }
    keyring.edit(&Seen::of(&key), &draft).await?;
    let edited = keyring.key(&key.id).await?;
    if name.is_some() {
        for twin in keyring
            .look_alikes(&edited.draft.name)
            .await
            .unwrap_or_default()
        {
            output::complain(&format!(
                "the name looks like that of another key, {}",
                brief(&twin)
            ));
        }
    }
    done(&edited, "API key updated successfully.", output)
}

pub(super) async fn switch(
    keyring: &Keyring,
    key: &str,
    disable: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let key = keyring.resolve(key).await?;
    keyring.switch(&[Seen::of(&key)], disable).await?;
    let sentence = if disable {
        "API key disabled: it is refused from the next request on."
    } else {
        "API key enabled."
    };
    done(&keyring.key(&key.id).await?, sentence, output)
}

fn done(key: &Key, sentence: &str, output: &mut Output) -> Result<(), Failure> {
    if output.json {
        return output.json(&key_json(key));
    }
    output::tell(sentence);
    Ok(())
}

/// An allow-list from the command line, where an empty value is most likely an unset variable
/// and must not open a key.
fn allow_list(text: &str) -> Result<AllowList, Failure> {
    if text
        .split([',', ';', '\n', '\r'])
        .all(|entry| entry.trim().is_empty())
    {
        return Err(Failure::Refused(
            "--allow-ip is empty: write addresses and networks, or any to allow every address"
                .into(),
        ));
    }
    let parsed = AllowList::parse(text).map_err(refused)?;
    for merged in &parsed.merged {
        output::tell(&merged.to_string());
    }
    Ok(parsed.list)
}

fn expiry(when: &str, keyring: &Keyring) -> Result<Option<Moment>, Failure> {
    parse_expiry(when, keyring.now()).map_err(refused)
}

fn apply_grants(grants: &mut Grants, given: &[String], areas: &[Area]) -> Result<(), Failure> {
    let mut named = Vec::new();
    for text in given {
        let (slug, actions) = match parse_grant(text) {
            // A word that is no slug is, to a person, an area that there is not.
            Err(AccessError::BadSlug(word)) => {
                let known: Vec<&str> = areas.iter().map(|area| area.slug.as_str()).collect();
                return Err(refused(AccessError::UnknownArea {
                    unknown: word,
                    known: known.join(", "),
                }));
            }
            other => other.map_err(refused)?,
        };
        find_area(areas, &slug).map_err(refused)?;
        if named.contains(&slug) {
            return Err(Failure::Refused(format!(
                "{slug} is named by --grant twice: name each area once, as in {slug}=create,read"
            )));
        }
        grants.set(slug.clone(), actions);
        named.push(slug);
    }
    Ok(())
}
