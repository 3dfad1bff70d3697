using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>How much of the store is kept. Without days, count and budget only what nobody can use any more goes.</summary>
/// <param name="KeepDays">Checkpoints of sweeps that are over for longer go; null: age is no reason.</param>
/// <param name="KeepLast">Checkpoints of all but the newest so many sweeps go; null: their number is no reason. A sweep that days or count keep is kept.</param>
/// <param name="Budget">Bytes that the store may take; null: any number.</param>
/// <param name="Orphans">True: what no record of this database names goes too; another database must not use the store.</param>
/// <param name="OnlyOfSweeps">True: nothing goes but what sweeps say of themselves (<see cref="Contracts.SweepLimits.KeepDays"/> and <see cref="Contracts.SweepLimits.BudgetBytes"/>).</param>
public sealed record RetentionRule(int? KeepDays = null, int? KeepLast = null, long? Budget = null, bool Orphans = false, bool OnlyOfSweeps = false)
{
    /// <summary>The rule of a coordinator to which the environment gives none.</summary>
    public static readonly RetentionRule OfSweeps = new(OnlyOfSweeps: true);

    /// <summary>The rule that a coordinator applies once an hour.</summary>
    public const string Variable = "LATHE_RETENTION";

    private const string Expected = "days=30, last=20, budget=500GiB and orphans, separated by commas, at least one of them";

    /// <summary>The rule of the environment; null: none is set.</summary>
    /// <param name="environment">Looks up a variable; by default this process's.</param>
    /// <exception cref="LatheException">It cannot be read.</exception>
    public static RetentionRule? Load(Func<string, string?>? environment = null) =>
        (environment ?? Environment.GetEnvironmentVariable)(Variable) is { } text && !string.IsNullOrWhiteSpace(text) ? Parse(text) : null;

    /// <summary>Reads <c>days=30,budget=500GiB</c>.</summary>
    /// <exception cref="LatheException">It cannot be read.</exception>
    public static RetentionRule Parse(string text)
    {
        var rule = new RetentionRule();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            rule = part.Split('=', 2, StringSplitOptions.TrimEntries) switch
            {
                ["days", var days] when rule.KeepDays is null => rule with { KeepDays = Whole(days, text) },
                ["last", var last] when rule.KeepLast is null => rule with { KeepLast = Whole(last, text) },
                ["budget", var budget] when rule.Budget is null => rule with { Budget = ByteSize.Parse(budget, $"budget in {Variable}") },
                ["orphans"] => rule with { Orphans = true },
                _ => throw Unreadable(text),
            };
        }

        return rule;
    }

    private static int Whole(string number, string text) =>
        int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var whole) ? whole : throw Unreadable(text);

    private static LatheException Unreadable(string text) => new($"{Variable} is '{text}'; expected {Expected}");
}
