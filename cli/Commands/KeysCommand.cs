using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe keys</c>: works on the coordinator's database, since whoever makes the first key has none yet.</summary>
internal static class KeysCommand
{
    public static Command Create() => new DetailedCommand(
        "keys",
        "Makes, lists and revokes the keys that a coordinator asks for beyond its own machine.",
        $"""
        Run it where the coordinator's database can be reached: {DatabaseAddress.Variable}, or the SQLite file under --home. A client has its key in
        {CoordinatorClient.KeyVariable}.

        Examples:
          lathe keys create anna-laptop --scope submit
          lathe keys revoke 3f9c2a7e51
        """) { Making(), Listing(), Revoking() };

    private static Command Making()
    {
        var name = new Argument<string>("NAME") { Description = "Who or what has the key, for people." };
        // As text: the help shows the default as it is typed.
        var scope = new Option<string>("--scope")
        {
            Description = "read: sweeps, results, checkpoints. submit: also submit and control sweeps. admin: also delete sweeps, and what the store need not keep. Each includes the ones before it.",
            DefaultValueFactory = _ => Word(ApiScope.Submit),
        };
        scope.AcceptOnlyFromAmong([.. Enum.GetNames<ApiScope>().Select(n => n.ToLowerInvariant())]);
        var command = new Command("create", "Makes a key and prints it. It is shown this once: the database has only its digest.") { name, scope };
        command.SetAction(async (call, stop) =>
        {
            var keys = await OpenAsync(call, isNew: true, stop);
            var (key, token) = await keys.CreateAsync(call.GetValue(name)!, Enum.Parse<ApiScope>(call.GetValue(scope)!, ignoreCase: true), stop);
            var terminal = new Terminal();
            terminal.Say($"key {key.Id} for {key.Name}, scope {Word(key.Scope)}; keep it, it is not shown again. A client has it in {CoordinatorClient.KeyVariable}:");
            Console.Out.WriteLine(token);
            return LatheCommand.Success;
        });
        return command;
    }

    private static Command Listing()
    {
        var json = new Option<bool>("--json") { Description = "Print a JSON array: id, name, scope, createdAt, lastUsedAt." };
        var command = new Command("list", "Lists the keys, without their secrets.") { json };
        command.SetAction(async (call, stop) =>
        {
            var keys = await (await OpenAsync(call, isNew: false, stop)).ListAsync(stop);
            if (call.GetValue(json))
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(keys, LatheJson.Indented));
                return LatheCommand.Success;
            }

            var terminal = new Terminal();
            var table = new TextTable("id", new TextColumn("name", Wraps: true), "scope", "created", "last used");
            foreach (var key in keys) table.Add(key.Id, key.Name, Word(key.Scope), Day(key.CreatedAt), key.LastUsedAt is { } used ? Day(used) : "never");
            if (keys.Count == 0) terminal.Say("there are no keys; 'lathe keys create NAME' makes one");
            else terminal.Write(table.Content);
            return LatheCommand.Success;
        });
        return command;
    }

    private static Command Revoking()
    {
        var id = new Argument<string>("ID") { Description = "As 'lathe keys list' shows it." };
        var command = new Command("revoke", "Makes a key useless. Running coordinators know within seconds.") { id };
        command.SetAction(async (call, stop) =>
        {
            await (await OpenAsync(call, isNew: false, stop)).RevokeAsync(call.GetValue(id)!, stop);
            new Terminal().Say($"key {call.GetValue(id)} is revoked");
            return LatheCommand.Success;
        });
        return command;
    }

    private static async Task<ApiKeys> OpenAsync(ParseResult call, bool isNew, CancellationToken stop)
    {
        var settings = CommonOptions.Settings(call);
        // A key is of use to the coordinators of its database alone, and another's cannot be reached from here.
        if (CommonOptions.CoordinatorAddress(call) is { } address && string.IsNullOrEmpty(Environment.GetEnvironmentVariable(DatabaseAddress.Variable)))
        {
            throw new LatheException(
                $"keys are kept in the coordinator's database, not behind its address {address}: run this command where LATHE_DATABASE is that of the coordinator (postgres://...), or without --coordinator and LATHE_COORDINATOR for a database of this machine");
        }

        var store = new CoordinatorStore(DatabaseAddress.Load(settings));
        // The first key may be made before the coordinator first starts.
        if (isNew) await store.PrepareAsync(stop);
        else if (!await store.ExistsAsync(stop)) throw new LatheException($"there is no database {store.Address} yet, and so no key; 'lathe keys create NAME' makes both");
        return new ApiKeys(store, TimeProvider.System);
    }

    private static string Word(ApiScope scope) => scope.ToString().ToLowerInvariant();

    private static string Day(DateTimeOffset at) => at.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
