//! `list`: prints the keys, with no more than one page of them in memory at a time.
use super::{
    Failure, ListArguments, approval,
    output::{self, Output, key_and_status_json},
    refused,
};
use crate::{
    domain::{
        access::Area,
        attention::Attention,
        facet::Facet,
        key::Key,
        listing::{
            Cursor, Damaged, Direction, Filter, MOST_FACETS, PageRequest, Sort, SortField,
            SortValue,
        },
        moment::{Moment, duration},
        review,
        text::{fitted, visible},
    },
    keyring::Keyring,
};

/// The number of keys read from the store at a time.
const KEYS_PER_READ: u32 = 500;
/// The width of the agent column, in terminal columns.
const AGENT: usize = 12;

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &ListArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    if arguments.pending {
        return approval::list(keyring, arguments.agent.as_ref(), output).await;
    }
    let areas = keyring.areas().await?;
    let field = arguments.sort.field();
    let newest_first = matches!(field, SortField::Created | SortField::LastUsed);
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut request = PageRequest {
        scope: keyring.scope_of(arguments.agent.as_ref()).await?,
        filter: Filter {
            search: arguments.search.clone().unwrap_or_default(),
            attention: arguments.attention,
            facets: facets(arguments)?,
        },
        sort: Sort {
            field,
            descending: newest_first != arguments.reverse,
        },
        direction: Direction::First,
        limit: KEYS_PER_READ,
        now: keyring.now(),
        damaged: Vec::new(),
    };
    let until = arguments
        .expiring
        .as_deref()
        .map(|text| expiring(text, request.now));
    let until = until.transpose()?;
    if until.is_some() {
        request.sort = Sort {
            field: SortField::Expires,
            descending: false,
        };
        // Starts after the keys that have already expired.
        request.direction = Direction::After(Cursor {
            value: SortValue::Number(request.now.millis() - 1),
            sequence: i64::MAX,
        });
    }
    let within = |key: &Key| {
        until.is_none_or(|until| {
            key.draft
                .conditions
                .expires_at
                .is_some_and(|end| end <= until)
        })
    };
    let mut unreadable = Vec::new();
    let filtered = request.filter != Filter::default() || until.is_some();
    if arguments.attention {
        // Damaged keys are the most urgent, and they are found only by reading every key.
        keyring.look_for_damage().await?;
    }
    let mut printer = ListPrinter::new(output, areas, request.now)?;
    while left > 0 {
        request.limit = KEYS_PER_READ.min(u32::try_from(left).unwrap_or(KEYS_PER_READ));
        let page = keyring.page(&request).await?;
        let read = page.rows.len() + page.damaged.len();
        left = left.saturating_sub(read as u64);
        // The end of a damaged key is unknown, so `--expiring` leaves it out.
        let shown = if until.is_none() {
            page.damaged.as_slice()
        } else {
            &[]
        };
        let mut damaged = shown.iter().peekable();
        for (at, row) in page.rows.iter().enumerate() {
            while let Some((_, damaged, _)) = damaged.next_if(|(before, ..)| *before <= at) {
                printer.damaged(damaged)?;
            }
            if within(&row.key) {
                printer.key(&row.key)?;
            }
        }
        for (_, damaged, _) in damaged {
            printer.damaged(damaged)?;
        }
        for error in page.unreadable {
            if !unreadable.contains(&error) {
                unreadable.push(error);
            }
        }
        match page.reached {
            _ if !page.rows.last().is_none_or(|row| within(&row.key)) => break,
            Some(cursor) if page.more => request.direction = Direction::After(cursor),
            _ => break,
        }
    }
    printer.end(filtered)?;
    // The list is incomplete without these keys; the exit status tells scripts so.
    for error in &unreadable {
        output::complain(&error.to_string());
    }
    if unreadable.is_empty() {
        Ok(())
    } else {
        Err(Failure::Silent)
    }
}

/// Returns what the keys must have.
fn facets(arguments: &ListArguments) -> Result<Vec<Facet>, Failure> {
    let mut facets = Vec::new();
    if let Some(owner) = &arguments.owner {
        facets.push(Facet::Owner(owner.parse().map_err(refused)?));
    }
    for label in &arguments.labels {
        facets.push(Facet::of_label(label).map_err(refused)?);
    }
    for rule in &arguments.with {
        facets.push(Facet::With(rule.parse().map_err(Failure::Refused)?));
    }
    if facets.len() > MOST_FACETS {
        return Err(Failure::Refused(format!(
            "{} of --owner, --label and --with are too many: name at most {MOST_FACETS}",
            facets.len()
        )));
    }
    Ok(facets)
}

/// Returns the latest end of a key that ends within the given time, such as `14d`.
fn expiring(text: &str, now: Moment) -> Result<Moment, Failure> {
    let time = duration(text.trim()).ok_or_else(|| {
        Failure::Refused(format!(
            "{} is no time: write a number of days or hours, such as 14d",
            visible(text)
        ))
    })?;
    Ok(now.plus(time))
}

/// A printer that writes keys one by one, so that memory use does not depend on their number: as
/// one JSON array, as aligned columns on a terminal, or as tab-separated lines for another program.
struct ListPrinter<'a> {
    output: &'a mut Output,
    areas: Vec<Area>,
    now: Moment,
    printed: u64,
    name_width: Option<usize>,
}

impl<'a> ListPrinter<'a> {
    fn new(output: &'a mut Output, areas: Vec<Area>, now: Moment) -> Result<Self, Failure> {
        let name_width = (Output::is_terminal() && !output.json).then(|| {
            crossterm::terminal::size()
                .map_or(80, |(columns, _)| usize::from(columns))
                .saturating_sub(12 + 2 + 2 + 27 + 2 + 10 + 2 + 12)
                .saturating_sub(if output.several_agents { 2 + AGENT } else { 0 })
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
        self.head()?;
        self.printed += 1;
        if self.output.json {
            let separator = if first { "" } else { "," };
            let fields = key_and_status_json(key, self.output.several_agents, self.now);
            let object = format!("{separator}{fields}");
            return self.output.buffered(object.as_bytes());
        }
        let name = visible(key.name());
        let access = review::access_words(&key.draft.conditions, &self.areas, visible);
        let created = key.created_at.date();
        let attention = Attention::of(key, self.now).map_or_else(String::new, |a| a.to_string());
        let line = if let Some(width) = self.name_width {
            let (name, access) = (fitted(&name, width), fitted(&access, 27));
            let agent = self.agent(key.agent.as_str());
            format!(
                "{}  {name}{agent}  {access}  {created}  {attention}",
                key.id
            )
            .trim_end()
            .to_owned()
        } else {
            let expires = key
                .draft
                .conditions
                .expires_at
                .map_or_else(|| "never".to_owned(), Moment::as_expiry);
            let last = key
                .last_use
                .map_or_else(|| "-".to_owned(), |usage| usage.at.rfc3339());
            let allow = key.draft.conditions.allow.to_string();
            let mut cells = vec![
                key.id.as_str(),
                &name,
                &access,
                &created,
                &expires,
                &last,
                &allow,
                &attention,
            ];
            if self.output.several_agents {
                cells.push(key.agent.as_str());
            }
            cells.join("\t")
        };
        self.output.buffered(format!("{line}\n").as_bytes())
    }

    /// Prints the column heads before the first row, on a terminal only.
    fn head(&mut self) -> Result<(), Failure> {
        let Some(width) = self.name_width.filter(|_| self.printed == 0) else {
            return Ok(());
        };
        let head = format!(
            "{:12}  {}{}  {}  {:10}  Attention\n",
            "Id",
            fitted("Name", width),
            self.agent("Agent"),
            fitted("Access", 27),
            "Created"
        );
        self.output.buffered(head.as_bytes())
    }

    /// Prints a row for a damaged key. JSON output leaves it out, because its fields are unknown.
    fn damaged(&mut self, damaged: &Damaged) -> Result<(), Failure> {
        if self.output.json {
            return Ok(());
        }
        self.head()?;
        self.printed += 1;
        let line = if let Some(width) = self.name_width {
            let agent = self.agent("");
            let (name, access) = (fitted("", width), fitted("", 27));
            format!(
                "{}  {name}{agent}  {access}  {:10}  damaged",
                damaged.id, ""
            )
        } else {
            let agent = if self.output.several_agents { "\t" } else { "" };
            format!("{}\t\t\t\t\t\t\tdamaged{agent}", damaged.id)
        };
        self.output.buffered(format!("{line}\n").as_bytes())
    }

    /// Returns the cell of the agent column, or an empty string if there is only one agent.
    fn agent(&self, name: &str) -> String {
        if self.output.several_agents {
            format!("  {}", fitted(name, AGENT))
        } else {
            String::new()
        }
    }

    fn end(self, filtered: bool) -> Result<(), Failure> {
        if self.output.json {
            self.output.buffered(b"]\n")?;
        } else if self.printed == 0 && self.name_width.is_some() {
            output::print_notice(if filtered {
                "No key matches."
            } else {
                "No keys. `claviger create NAME --grant contacts=read` makes one."
            });
        }
        self.output.flush()
    }
}
