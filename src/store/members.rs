//! Members, their SSH keys, and what each of them may do now.
//!
//! [`Store::authority`] reads a member's permissions outside a transaction.
//! [`ChangeTransaction::authorise`] checks them in the transaction of every change and every
//! reveal, after the epoch was raised. Removing a member raises the epoch, too, so neither can
//! happen in the middle of the other.
use std::collections::BTreeSet;

use super::{
    Store, StoreError,
    agents::agent_of,
    change::{ChangeTransaction, Committed, execute, with_connection},
    rows::moment,
    with_pool,
};
use crate::domain::{
    agent::{AgentName, AgentScope},
    audit::{EventDraft, Gate, Login},
    member::{
        Authority, Denied, Fingerprint, Member, MemberDraft, MemberError, MemberId, Permission,
        Role, SshKey,
    },
    moment::Moment,
    text,
};

/// The number of similar names that are reported.
const NAMED_LOOK_ALIKES: i64 = 3;

/// Selects a member's role, scope and agents, unless the SSH key of their login is not theirs any
/// more: `$1` is the member, `$2` the fingerprint, empty if it is unknown.
const MEMBER_STATUS: &str = "SELECT role, reach, \
     (SELECT string_agg(agent, ',') FROM member_agents WHERE member = members.id) AS agents \
     FROM members WHERE id = $1 AND ($2 = '' OR EXISTS (SELECT 1 FROM member_keys \
     WHERE member = members.id AND fingerprint = $2))";
const MEMBERS: &str = "SELECT id, name, role, reach, \
     (SELECT string_agg(agent, ',') FROM member_agents WHERE member = members.id) AS agents, \
     added_at, last_seen_at, last_seen_with FROM members ORDER BY sequence";
/// Selects the columns member, line and comment.
const KEYS: &str = "SELECT member, line, comment FROM member_keys ORDER BY member, position";

type MemberStatusRow = (String, String, Option<String>);
type SshKeyRow = (String, String, String);

#[derive(sqlx::FromRow)]
struct MemberRow {
    id: String,
    name: String,
    role: String,
    reach: String,
    agents: Option<String>,
    added_at: i64,
    last_seen_at: Option<i64>,
    last_seen_with: Option<String>,
}

fn bad(column: &'static str, id: &str) -> StoreError {
    StoreError::corrupt("members", column, id)
}

fn scope_of(id: &str, scope: &str, agents: Option<&str>) -> Result<AgentScope, StoreError> {
    match (scope, agents) {
        ("everything", None) => Ok(AgentScope::Everything),
        ("listed", agents) => {
            let names = agents.into_iter().flat_map(|all| all.split(','));
            let names: Result<BTreeSet<AgentName>, _> = names.map(agent_of).collect();
            Ok(AgentScope::Only(names?))
        }
        _ => Err(bad("reach", id)),
    }
}

fn authority(id: &MemberId, row: Option<MemberStatusRow>) -> Result<Authority, StoreError> {
    let (role, scope, agents) = row.ok_or(Denied::NotAMember)?;
    Ok(Authority {
        role: role.parse().map_err(|_| bad("role", id.as_str()))?,
        scope: scope_of(id.as_str(), &scope, agents.as_deref())?,
    })
}

impl MemberRow {
    fn read(self, keys: &[SshKeyRow]) -> Result<Member, StoreError> {
        let keys = keys.iter().filter(|(member, ..)| *member == self.id);
        let keys: Result<Vec<SshKey>, _> = keys
            .map(|(_, line, comment)| SshKey::kept(line, comment))
            .collect();
        let last_seen = match self.last_seen_at {
            None => None,
            Some(at) => {
                let at = moment(at).ok_or_else(|| bad("last_seen_at", &self.id))?;
                let with = self.last_seen_with.map(|text| text.parse()).transpose();
                Some((at, with.map_err(|_| bad("last_seen_with", &self.id))?))
            }
        };
        Ok(Member {
            draft: MemberDraft {
                name: self.name.parse().map_err(|_| bad("name", &self.id))?,
                role: self.role.parse().map_err(|_| bad("role", &self.id))?,
                scope: scope_of(&self.id, &self.reach, self.agents.as_deref())?,
                keys: keys.map_err(|_| StoreError::corrupt("member_keys", "line", &self.id))?,
            },
            added_at: moment(self.added_at).ok_or_else(|| bad("added_at", &self.id))?,
            last_seen,
            id: self.id.parse().map_err(|_| bad("id", &self.id))?,
        })
    }
}

fn fingerprint_of(login: &Login) -> &str {
    login.fingerprint.as_ref().map_or("", Fingerprint::as_str)
}

impl Store {
    /// Returns the names that members had once and no member has now.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn former_members(&self) -> Result<Vec<String>, StoreError> {
        let names: Vec<(String,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT DISTINCT subject_name FROM audit_events \
             WHERE change IN ('member.added', 'member.edited', 'member.removed') \
             AND subject_name NOT IN (SELECT name FROM members)",
        )
        .fetch_all(pool)
        .await)?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// Returns the role and the scope that the member of a login has now.
    ///
    /// # Errors
    /// Returns [`Denied::NotAMember`] if the member or their SSH key was removed,
    /// [`StoreError::Corrupt`] if the row is invalid, and another [`StoreError`] if the database
    /// fails.
    pub(crate) async fn authority(&self, login: &Login) -> Result<Authority, StoreError> {
        let row: Option<MemberStatusRow> = with_pool!(self, pool => sqlx::query_as(MEMBER_STATUS)
            .bind(login.member.as_str())
            .bind(fingerprint_of(login))
            .fetch_optional(pool)
            .await)?;
        authority(&login.member, row)
    }

    /// Returns all members, in the order in which they were added.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a row is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn members(&self) -> Result<Vec<Member>, StoreError> {
        let rows: Vec<MemberRow> =
            with_pool!(self, pool => sqlx::query_as(MEMBERS).fetch_all(pool).await)?;
        let keys: Vec<SshKeyRow> =
            with_pool!(self, pool => sqlx::query_as(KEYS).fetch_all(pool).await)?;
        rows.into_iter().map(|row| row.read(&keys)).collect()
    }

    /// Returns a member's name and the fingerprints of their SSH keys. Only this member is read, so
    /// that invalid data of one member locks no other one out.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a fingerprint is invalid, and another [`StoreError`] if
    /// the database fails.
    pub(crate) async fn who(
        &self,
        id: &MemberId,
    ) -> Result<Option<(String, Vec<Fingerprint>)>, StoreError> {
        let name: Option<(String,)> = with_pool!(self, pool => {
            sqlx::query_as("SELECT name FROM members WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(pool)
                .await
        })?;
        let Some((name,)) = name else {
            return Ok(None);
        };
        let prints: Vec<(String,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT fingerprint FROM member_keys WHERE member = $1 ORDER BY position",
        )
        .bind(id.as_str())
        .fetch_all(pool)
        .await)?;
        let read = |(print,): (String,)| {
            let bad = |_| StoreError::corrupt("member_keys", "fingerprint", id.as_str());
            print.parse().map_err(bad)
        };
        let prints: Result<_, _> = prints.into_iter().map(read).collect();
        Ok(Some((name, prints?)))
    }

    /// Returns the names of other members that look like this name without being equal to it.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn member_look_alikes(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let names: Vec<(String,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT name FROM members WHERE name_skeleton = $1 AND name <> $2 \
             ORDER BY sequence LIMIT $3",
        )
        .bind(text::skeleton(name))
        .bind(name)
        .bind(NAMED_LOOK_ALIKES)
        .fetch_all(pool)
        .await)?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// Returns the SSH keys of all members, or only the one with this fingerprint, each with its
    /// member's id.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a row is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn ssh_keys(
        &self,
        only: Option<&Fingerprint>,
    ) -> Result<Vec<(MemberId, SshKey)>, StoreError> {
        let rows: Vec<SshKeyRow> = with_pool!(self, pool => sqlx::query_as(
            "SELECT member, line, '' FROM member_keys WHERE $1 = '' OR fingerprint = $1 \
             ORDER BY member, position",
        )
        .bind(only.map_or("", Fingerprint::as_str))
        .fetch_all(pool)
        .await)?;
        let read = |(member, line, comment): SshKeyRow| {
            let bad = || StoreError::corrupt("member_keys", "line", &member);
            let key = SshKey::kept(&line, &comment).map_err(|_| bad())?;
            Ok((member.parse().map_err(|_| bad())?, key))
        };
        rows.into_iter().map(read).collect()
    }

    /// Records that a member logged in. That is not a change: it raises no epoch.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn note_login(&self, login: &Login, at: Moment) -> Result<(), StoreError> {
        let mut write = self.begin_write().await?;
        execute!(
            write,
            sqlx::query("UPDATE members SET last_seen_at = $1, last_seen_with = $2 WHERE id = $3")
                .bind(at.millis())
                .bind(login.fingerprint.as_ref().map(Fingerprint::as_str))
                .bind(login.member.as_str())
        )?;
        write.commit_write().await
    }

    /// Adds a member.
    ///
    /// # Errors
    /// Returns [`StoreError::Member`] if another member has the name or an SSH key,
    /// [`StoreError::Agent`] if there is no such agent, and another [`StoreError`] if the database
    /// fails.
    pub(crate) async fn add_member(
        &self,
        id: &MemberId,
        draft: &MemberDraft,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        demand_free(&change.members_within().await?, id, draft)?;
        execute!(
            change,
            sqlx::query(
                "INSERT INTO members (id, sequence, name, name_skeleton, role, reach, added_at) \
                 SELECT $1, coalesce(max(sequence), 0) + 1, $2, $3, $4, $5, $6 FROM members",
            )
            .bind(id.as_str())
            .bind(draft.name.as_str())
            .bind(text::skeleton(draft.name.as_str()))
            .bind(draft.role.word())
            .bind(scope_word(&draft.scope))
            .bind(event.at.millis())
        )?;
        change.insert_member_sets(id, draft).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// Changes a member.
    ///
    /// # Errors
    /// Returns [`MemberError::Conflict`] if the member is not as in `seen` any more,
    /// [`MemberError::LastOwner`] if no owner would be left, and the errors of
    /// [`Store::add_member`].
    pub(crate) async fn edit_member(
        &self,
        seen: &Member,
        draft: &MemberDraft,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let all = change.members_within().await?;
        demand_as_seen(&all, seen)?;
        if draft.role != Role::Owner {
            demand_other_owner(&all, seen)?;
        }
        demand_free(&all, &seen.id, draft)?;
        execute!(
            change,
            sqlx::query(
                "UPDATE members SET name = $1, name_skeleton = $2, role = $3, reach = $4 \
                 WHERE id = $5",
            )
            .bind(draft.name.as_str())
            .bind(text::skeleton(draft.name.as_str()))
            .bind(draft.role.word())
            .bind(scope_word(&draft.scope))
            .bind(seen.id.as_str())
        )?;
        for table in [
            "DELETE FROM member_agents WHERE member = $1",
            "DELETE FROM member_keys WHERE member = $1",
        ] {
            execute!(change, sqlx::query(table).bind(seen.id.as_str()))?;
        }
        change.insert_member_sets(&seen.id, draft).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// Removes a member; their open sessions lose all permissions at once.
    ///
    /// # Errors
    /// Returns the errors of [`Store::edit_member`].
    pub(crate) async fn remove_member(
        &self,
        seen: &Member,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let all = change.members_within().await?;
        demand_as_seen(&all, seen)?;
        demand_other_owner(&all, seen)?;
        execute!(
            change,
            sqlx::query("DELETE FROM members WHERE id = $1").bind(seen.id.as_str())
        )?;
        change.record(event).await?;
        change.commit().await
    }
}

fn scope_word(scope: &AgentScope) -> &'static str {
    match scope {
        AgentScope::Everything => "everything",
        AgentScope::Only(_) => "listed",
    }
}

fn demand_as_seen(all: &[Member], seen: &Member) -> Result<(), MemberError> {
    match all.iter().find(|member| member.id == seen.id) {
        Some(now) if now.draft == seen.draft => Ok(()),
        _ => Err(MemberError::Conflict(text::visible(seen.name()))),
    }
}

fn demand_other_owner(all: &[Member], seen: &Member) -> Result<(), MemberError> {
    let is_other = |it: &Member| it.id != seen.id && it.draft.role == Role::Owner;
    if seen.draft.role == Role::Owner && !all.iter().any(is_other) {
        return Err(MemberError::LastOwner(text::visible(seen.name())));
    }
    Ok(())
}

/// Checks that no other member has the name or one of the SSH keys.
fn demand_free(all: &[Member], id: &MemberId, draft: &MemberDraft) -> Result<(), MemberError> {
    for other in all.iter().filter(|member| member.id != *id) {
        let member = text::visible(other.name());
        if other.draft.name == draft.name {
            return Err(MemberError::NameTaken(member));
        }
        let is_theirs = |key: &&SshKey| {
            let print = key.fingerprint();
            other.draft.keys.iter().any(|it| it.fingerprint() == print)
        };
        if let Some(key) = draft.keys.iter().find(is_theirs) {
            let fingerprint = key.fingerprint().clone();
            return Err(MemberError::KeyTaken {
                fingerprint,
                member,
            });
        }
    }
    Ok(())
}

impl ChangeTransaction<'_> {
    /// Checks within this transaction that the actor of these events may make the changes.
    pub(super) async fn authorise(&mut self, events: &[&EventDraft]) -> Result<(), StoreError> {
        // All events of a change have the same actor.
        let Some(login) = events.first().and_then(|event| event.actor.login.as_ref()) else {
            return Ok(());
        };
        let row: Option<MemberStatusRow> = with_connection!(self, connection => {
            sqlx::query_as(MEMBER_STATUS)
                .bind(login.member.as_str())
                .bind(fingerprint_of(login))
                .fetch_optional(connection)
                .await
        })?;
        let authority = authority(&login.member, row)?;
        for event in events {
            if event.actor.login.as_ref() != Some(login) {
                return Err(Denied::NotAMember.into());
            }
            authority.demand(event.permission())?;
            if matches!(
                event.gate,
                Gate::Approves(_) | Gate::Rejects { own: false, .. }
            ) {
                authority.demand(Permission::Approve)?;
            }
            if let Some(agent) = &event.agent {
                authority.demand_agent(agent)?;
            }
        }
        Ok(())
    }

    async fn members_within(&mut self) -> Result<Vec<Member>, StoreError> {
        let rows: Vec<MemberRow> = with_connection!(self, connection => {
            sqlx::query_as(MEMBERS).fetch_all(connection).await
        })?;
        let keys: Vec<SshKeyRow> = with_connection!(self, connection => {
            sqlx::query_as(KEYS).fetch_all(connection).await
        })?;
        rows.into_iter().map(|row| row.read(&keys)).collect()
    }

    async fn insert_member_sets(
        &mut self,
        id: &MemberId,
        draft: &MemberDraft,
    ) -> Result<(), StoreError> {
        if let AgentScope::Only(agents) = &draft.scope {
            for agent in agents {
                self.demand_agent(agent).await?;
                execute!(
                    self,
                    sqlx::query("INSERT INTO member_agents (member, agent) VALUES ($1, $2)")
                        .bind(id.as_str())
                        .bind(agent.as_str())
                )?;
            }
        }
        for (position, key) in (1_i64..).zip(&draft.keys) {
            execute!(
                self,
                sqlx::query(
                    "INSERT INTO member_keys (fingerprint, member, position, line, comment) \
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(key.fingerprint().as_str())
                .bind(id.as_str())
                .bind(position)
                .bind(key.line())
                .bind(key.comment())
            )?;
        }
        Ok(())
    }
}
