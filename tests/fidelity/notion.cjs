// Notion's own client (@notionhq/client) against the fake at FAKE_URL.
"use strict";
const assert = require("node:assert/strict");
const http = require("node:http");
const notionhq = require("@notionhq/client");

const url = process.env.FAKE_URL;
const token = "ntn_integration-5f1cbb07a2";
const quiet = { auth: token, baseUrl: url, logger: () => {} };
const notion = new notionhq.Client(quiet);
const newest = new notionhq.Client({ ...quiet, notionVersion: "2026-03-11" });

async function control(what, body) {
    const answer = await fetch(`${url}/control/${what}`, { method: "POST", body: JSON.stringify(body) });
    assert.equal(answer.status, 200, what);
    return answer.json();
}

const title = (text) => ({ title: [{ text: { content: text } }] });

async function failure(promise, code, status) {
    const error = await promise.then(
        () => assert.fail(`no ${code}`),
        (error) => error,
    );
    assert.ok(notionhq.isNotionClientError(error), error);
    assert.ok(notionhq.APIResponseError.isAPIResponseError(error), `${error}`);
    assert.equal(error.code, code);
    assert.equal(error.status, status);
    return error;
}

const stories = {
    async "the bot, the databases, and their data sources are found"(source) {
        const me = await notion.users.me({});
        assert.deepEqual([me.object, me.type], ["user", "bot"]);
        const found = await notion.search({ query: "events", filter: { property: "object", value: "data_source" } });
        assert.equal(found.results.length, 1);
        assert.ok(notionhq.isFullDataSource(found.results[0]));
        assert.equal(found.results[0].id, source);
        const database = await notion.databases.retrieve({ database_id: found.results[0].parent.database_id });
        assert.ok(notionhq.isFullDatabase(database));
        assert.deepEqual(database.data_sources, [{ id: source, name: "Events" }]);
        const schema = await notion.dataSources.retrieve({ data_source_id: source });
        assert.equal(schema.properties.Name.id, "title");
        assert.equal(schema.properties.When.type, "date");
        assert.deepEqual(schema.properties.Status.status.options.map((option) => option.name), ["Planned", "Done"]);
    },

    async "a property is added, renamed and removed"(source) {
        const change = (properties) => notion.dataSources.update({ data_source_id: source, properties });
        assert.equal((await change({ Key: { rich_text: {} } })).properties.Key.type, "rich_text");
        assert.ok("Mark" in (await change({ Key: { name: "Mark" } })).properties);
        assert.ok(!("Mark" in (await change({ Mark: null })).properties));
    },

    async "a page is made, read, changed, trashed and restored"(source) {
        const page = await notion.pages.create({
            parent: { type: "data_source_id", data_source_id: source },
            properties: {
                Name: title("Review"),
                When: { date: { start: "2026-07-01T09:00:00", end: "2026-07-01T10:30:00", time_zone: "Europe/Berlin" } },
                Notes: { rich_text: [{ text: { content: "one " } }, { text: { content: "two" } }] },
                Tags: { multi_select: [{ name: "new" }] },
                Status: { status: { name: "Done" } },
                Link: { url: "https://example.com" },
                Place: { place: { lat: 52.5, lon: 13.4, name: "Berlin" } },
                Done: { checkbox: true },
                Count: { number: 3 },
            },
        });
        assert.ok(notionhq.isFullPage(page));
        assert.deepEqual(page.properties.When.date, {
            start: "2026-07-01T09:00:00.000+02:00",
            end: "2026-07-01T10:30:00.000+02:00",
            time_zone: null,
        });
        assert.equal(page.last_edited_time.slice(-8), ":00.000Z");
        assert.equal(page.archived, false);
        assert.equal(page.properties.Notes.rich_text.map((item) => item.plain_text).join(""), "one two");
        assert.deepEqual(await notion.pages.retrieve({ page_id: page.id }), page);
        const days = { start: "2026-07-01", end: "2026-07-03" };
        const changed = await notion.pages.update({ page_id: page.id, properties: { When: { date: days }, Link: { url: null } } });
        assert.deepEqual(changed.properties.When.date, { ...days, time_zone: null });
        assert.equal(changed.properties.Link.url, null);
        assert.equal((await notion.pages.update({ page_id: page.id, in_trash: true })).in_trash, true);
        const query = { data_source_id: source };
        assert.equal((await notion.dataSources.query(query)).results.length, 0);
        assert.deepEqual((await notion.dataSources.query({ ...query, in_trash: true })).results.map((one) => one.id), [page.id]);
        await failure(notion.pages.update({ page_id: page.id, properties: { Done: { checkbox: false } } }), "validation_error", 400);
        const restored = await newest.pages.update({ page_id: page.id, in_trash: false });
        assert.equal(restored.in_trash, false);
        assert.ok(!("archived" in restored));
        await newest.pages.update({ page_id: page.id, in_trash: true });
    },

    async "rows come page by page, filtered and sorted"(source) {
        for (let number = 0; number < 25; number += 1) {
            const start = `2026-08-${String(number + 1).padStart(2, "0")}`;
            await notion.pages.create({
                parent: { data_source_id: source },
                properties: { Name: title(`Row ${number}`), When: { date: { start } }, Notes: { rich_text: [{ text: { content: `n${number}` } }] } },
            });
        }
        const since = new Date(Date.now() - 120_000).toISOString();
        const filter = { timestamp: "last_edited_time", last_edited_time: { on_or_after: since } };
        const sorts = [{ timestamp: "last_edited_time", direction: "ascending" }];
        const pages = [];
        let cursor;
        do {
            const page = await notion.dataSources.query({ data_source_id: source, filter, sorts, page_size: 10, start_cursor: cursor });
            pages.push(page.results.length);
            cursor = page.next_cursor ?? undefined;
            assert.equal(page.has_more, cursor !== undefined);
        } while (cursor);
        assert.deepEqual(pages, [10, 10, 5]);
        const all = await notionhq.collectPaginatedAPI(notion.dataSources.query, { data_source_id: source, page_size: 7 });
        assert.equal(new Set(all.map((row) => row.id)).size, 25);
        const one = await notion.dataSources.query({
            data_source_id: source,
            filter: { property: "Notes", rich_text: { equals: "n7" } },
            sorts: [{ property: "When", direction: "descending" }],
        });
        assert.deepEqual(one.results.map((row) => row.properties.Name.title[0].plain_text), ["Row 7"]);
        const future = { timestamp: "last_edited_time", last_edited_time: { on_or_after: "2999-01-01" } };
        assert.equal((await notion.dataSources.query({ data_source_id: source, filter: future })).results.length, 0);
    },

    async "what is wrong is refused by its code"(source) {
        const create = (properties) => notion.pages.create({ parent: { data_source_id: source }, properties });
        const zoned = (date) => create({ Name: title("x"), When: { date: { ...date, time_zone: "Europe/Berlin" } } });
        await failure(zoned({ start: "2026-07-01T09:00:00Z" }), "validation_error", 400);
        await failure(zoned({ start: "2026-07-01" }), "validation_error", 400);
        await failure(create({ Nothing: { rich_text: [] } }), "validation_error", 400);
        await failure(create({ Notes: { url: "https://example.com" } }), "validation_error", 400);
        await failure(create({ Status: { status: { name: "Unheard of" } } }), "validation_error", 400);
        const text = (length) => ({ text: { content: "x".repeat(length) } });
        await failure(create({ Notes: { rich_text: [text(2001)] } }), "validation_error", 400);
        await failure(create({ Notes: { rich_text: Array(101).fill(text(1)) } }), "validation_error", 400);
        await failure(create({ Notes: { rich_text: Array(300).fill(text(2000)) } }), "validation_error", 413);
        await failure(notion.pages.retrieve({ page_id: "00000000-0000-4000-8000-000000000000" }), "object_not_found", 404);
        await failure(notion.dataSources.query({ data_source_id: source, page_size: 101 }), "validation_error", 400);
        await failure(newest.pages.update({ page_id: source, archived: true }), "validation_error", 400);
        await failure(new notionhq.Client({ ...quiet, auth: "wrong" }).users.me({}), "unauthorized", 401);
        const bare = await fetch(`${url}/v1/users/me`, { headers: { authorization: `Bearer ${token}` } });
        assert.deepEqual([bare.status, (await bare.json()).code], [400, "missing_version"]);
    },

    async "Retry-After is honoured, and failures have their codes"() {
        const started = Date.now();
        await control("fault", { what: "GET /v1/users/me", status: 429, retry_after: 1 });
        assert.equal((await notion.users.me({})).object, "user");
        assert.ok(Date.now() - started >= 1000);
        await control("fault", { what: "GET /v1/users/me", status: 529, retry_after: 0 });
        assert.equal((await notion.users.me({})).object, "user");
        const hasty = new notionhq.Client({ ...quiet, retry: false });
        for (const [status, code] of [[409, "conflict_error"], [429, "rate_limited"], [500, "internal_server_error"], [503, "service_unavailable"], [529, "service_overload"]]) {
            await control("fault", { what: "GET /v1/users/me", status, retry_after: 7 });
            const error = await failure(hasty.users.me({}), code, status);
            assert.equal(error.headers.get("retry-after"), "7");
            assert.ok(error.request_id);
        }
    },

    async "codes become tokens, which rotate"() {
        const client = { client_id: "the-client", client_secret: "the-secret" };
        await control("client", { id: client.client_id, secret: client.client_secret });
        const redirect_uri = "https://crm.example.com/done";
        const { code } = await control("consent", { redirect_uri });
        const first = await notion.oauth.token({ ...client, grant_type: "authorization_code", code, redirect_uri });
        assert.deepEqual([first.token_type, first.owner.user.person.email], ["bearer", "ada@example.com"]);
        const asUser = new notionhq.Client({ ...quiet, auth: first.access_token });
        assert.equal((await asUser.users.me({})).bot.owner.user.person.email, "ada@example.com");
        const again = { ...client, grant_type: "refresh_token", refresh_token: first.refresh_token };
        const second = await notion.oauth.token(again);
        assert.notEqual(second.refresh_token, first.refresh_token);
        await assert.rejects(notion.oauth.token(again), /400/);
        await notion.oauth.revoke({ ...client, token: second.access_token });
        await failure(new notionhq.Client({ ...quiet, auth: second.access_token }).users.me({}), "unauthorized", 401);
    },

    async "notifications are signed with the token that came first"(source) {
        const verificationToken = "secret_of-the-subscription";
        const received = [];
        const server = http.createServer((request, answer) => {
            let body = "";
            request.on("data", (part) => (body += part));
            request.on("end", () => {
                received.push({ body, signature: request.headers["x-notion-signature"] });
                answer.end();
            });
        });
        await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
        const address = `http://127.0.0.1:${server.address().port}/hooks/notion`;
        assert.equal((await control("subscribe", { url: address, token: verificationToken })).delivered, 1);
        assert.deepEqual(JSON.parse(received[0].body), { verification_token: verificationToken });
        const page = await notion.pages.create({ parent: { data_source_id: source }, properties: { Name: title("New") } });
        await notion.pages.update({ page_id: page.id, properties: { Name: title("Newer") } });
        await notion.pages.update({ page_id: page.id, properties: { When: { date: { start: "2026-09-01" } } } });
        assert.equal((await control("deliver", {})).delivered, 2);
        for (const { body, signature } of received) {
            assert.ok(await notionhq.verifyWebhookSignature({ body, signature, verificationToken }));
            assert.ok(!(await notionhq.verifyWebhookSignature({ body: body + " ", signature, verificationToken })));
        }
        assert.deepEqual(received.slice(1).map(({ body }) => JSON.parse(body).entity.id), [page.id, page.id]);
        assert.deepEqual(received.slice(1).map(({ body }) => JSON.parse(body).type), ["page.created", "page.properties_updated"]);
        assert.equal(JSON.parse(received[2].body).data.updated_properties.length, 2);
        server.close();
        server.closeAllConnections();
    },
};

async function main() {
    const { id } = await control("database", {
        title: "Events",
        properties: {
            Name: { title: {} },
            When: { date: {} },
            Notes: { rich_text: {} },
            Tags: { multi_select: {} },
            Status: { status: { options: [{ name: "Planned" }, { name: "Done" }] } },
            Link: { url: {} },
            Place: { place: {} },
            Done: { checkbox: {} },
            Count: { number: {} },
        },
    });
    for (const [name, story] of Object.entries(stories)) {
        await story(id);
        console.log(`ok ${name}`);
    }
}

main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
