using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>What a key allows; each includes the ones before it.</summary>
public enum ApiScope
{
    /// <summary>Read sweeps, results and checkpoints.</summary>
    Read,

    /// <summary>Submit and control sweeps, upload checkpoints.</summary>
    Submit,

    /// <summary>Delete sweeps, and what the store need not keep.</summary>
    Admin,
}

/// <summary>A key, without its secret.</summary>
/// <param name="Id">By which it is revoked.</param>
/// <param name="Name">For people.</param>
/// <param name="Scope">What it allows.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="LastUsedAt">When it was last used, to the minute; null: never.</param>
public sealed record ApiKey(string Id, string Name, ApiScope Scope, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt);

/// <summary>Keys of the HTTP interface: <c>lathe_ID_SECRET</c>. The database has the digest of the secret and not the secret.</summary>
/// <param name="store">The database; its tables must be there.</param>
/// <param name="time">Clock.</param>
/// <param name="settings">May name a key that is not in the database; null: none.</param>
public sealed class ApiKeys(CoordinatorStore store, TimeProvider time, ApiSettings? settings = null)
{
    private const string Prefix = "lathe";
    private const int IdBytes = 5;
    private const int SecretBytes = 32;
    private const int LongestName = 100;
    private const int MostKept = 10_000;

    // A revoked key works no longer than this.
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan UseNoted = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, (ApiKeyRow? Row, DateTimeOffset Until)> _known = new(StringComparer.Ordinal);

    /// <summary>Makes a key.</summary>
    /// <param name="name">For people: who or what has it.</param>
    /// <param name="scope">What it allows.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The key; nobody can tell it a second time.</returns>
    /// <exception cref="LatheException">The name is none.</exception>
    public async Task<(ApiKey Key, string Token)> CreateAsync(string name, ApiScope scope, CancellationToken stop = default)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Length > LongestName || name.Any(char.IsControl))
            throw new LatheException($"the name of a key has 1 to {LongestName} characters and is for people, for example 'anna-laptop'");
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes));
        var secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes));
        var row = new ApiKeyRow { Id = id, Name = name, SecretSha256 = Digest(secret), Scope = Word(scope), CreatedAt = time.GetUtcNow() };
        await using var database = store.Open();
        database.ApiKeys.Add(row);
        await database.SaveChangesAsync(stop);
        return (Shown(row), $"{Prefix}_{id}_{secret}");
    }

    /// <summary>Every key, oldest first.</summary>
    public async Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken stop = default)
    {
        await using var database = store.Open();
        return [.. (await database.ApiKeys.AsNoTracking().OrderBy(k => k.CreatedAt).ToListAsync(stop)).Select(Shown)];
    }

    /// <summary>Makes a key useless; coordinators know within seconds.</summary>
    /// <exception cref="LatheException">There is no such key.</exception>
    public async Task RevokeAsync(string id, CancellationToken stop = default)
    {
        await using var database = store.Open();
        if (await database.ApiKeys.Where(k => k.Id == id).ExecuteDeleteAsync(stop) == 0)
            throw new LatheException($"there is no key '{id}'; 'lathe keys list' shows their ids");
        _known.TryRemove(id, out _);
    }

    /// <summary>The key that a client shows; null: it is none.</summary>
    /// <param name="token">As <see cref="CreateAsync"/> made it.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<ApiKey?> VerifyAsync(string token, CancellationToken stop = default)
    {
        if (settings?.Key is { } given && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(token)), SHA256.HashData(Encoding.UTF8.GetBytes(given))))
            return OfEnvironment(given);
        if (token.Split('_') is not [Prefix, { Length: IdBytes * 2 } id, { Length: SecretBytes * 2 } secret] || !id.All(char.IsAsciiHexDigitLower)) return null;
        var row = await RowAsync(id, stop);
        var isRight = CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Digest(secret)), Encoding.ASCII.GetBytes(row?.SecretSha256 ?? Digest("")));
        if (row is null || !isRight) return null;
        await NoteUseAsync(row, stop);
        return Shown(row);
    }

    /// <summary>A key by its id; null: there is none, or none any more.</summary>
    internal async Task<ApiKey?> FindAsync(string id, CancellationToken stop)
    {
        if (settings?.Key is { } given && OfEnvironment(given) is var own && own.Id == id) return own;
        return await RowAsync(id, stop) is { } row ? Shown(row) : null;
    }

    /// <summary>Its id changes with the key, so that sessions of an earlier one are over.</summary>
    private static ApiKey OfEnvironment(string given) => new($"environment-{Digest(Digest(given))[..16]}", ApiSettings.KeyVariable, ApiScope.Admin, default, null);

    private async Task<ApiKeyRow?> RowAsync(string id, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        if (_known.TryGetValue(id, out var known) && known.Until > now) return known.Row;
        await using var database = store.Open();
        var row = await database.ApiKeys.AsNoTracking().SingleOrDefaultAsync(k => k.Id == id, stop);
        // Ids that are no keys are kept too, and anybody can think of more of them.
        if (_known.Count >= MostKept) _known.Clear();
        _known[id] = (row, now + Kept);
        return row;
    }

    private async Task NoteUseAsync(ApiKeyRow row, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        if (row.LastUsedAt is { } used && now - used < UseNoted) return;
        row.LastUsedAt = now;
        await using var database = store.Open();
        await database.ApiKeys.Where(k => k.Id == row.Id).ExecuteUpdateAsync(s => s.SetProperty(k => k.LastUsedAt, now), stop);
    }

    private static ApiKey Shown(ApiKeyRow row) =>
        new(row.Id, row.Name, Enum.TryParse<ApiScope>(row.Scope, ignoreCase: true, out var scope) ? scope : ApiScope.Read, row.CreatedAt, row.LastUsedAt);

    private static string Word(ApiScope scope) => scope.ToString().ToLowerInvariant();

    private static string Digest(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
