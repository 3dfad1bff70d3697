using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>
/// Sessions of people who gave their key on the web page once. The cookie has a random token and the database its digest, so that every coordinator on the
/// database takes it, and a session that is closed, or whose key is revoked, is over.
/// </summary>
/// <param name="store">The database.</param>
/// <param name="keys">Keys that sessions are opened with.</param>
/// <param name="time">Clock.</param>
internal sealed class ApiSessions(CoordinatorStore store, ApiKeys keys, TimeProvider time)
{
    private const int TokenBytes = 32;
    private const int MostKept = 10_000;

    /// <summary>How long a session lasts.</summary>
    public static readonly TimeSpan Lasts = TimeSpan.FromHours(12);

    // A closed session works no longer than this on another coordinator.
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, (SessionRow? Row, DateTimeOffset Until)> _known = new(StringComparer.Ordinal);

    /// <summary>Opens a session for the owner of a key; gives the token.</summary>
    public async Task<string> OpenAsync(ApiKey key, CancellationToken stop)
    {
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes));
        var now = time.GetUtcNow();
        await using var database = store.Open();
        await database.Sessions.Where(s => s.ExpiresAt < now).ExecuteDeleteAsync(stop);
        database.Sessions.Add(new SessionRow { Sha256 = Digest(token), KeyId = key.Id, ExpiresAt = now + Lasts });
        await database.SaveChangesAsync(stop);
        return token;
    }

    /// <summary>The key of a session; null: there is no such session, it is over, or its key is revoked.</summary>
    public async Task<ApiKey?> VerifyAsync(string token, CancellationToken stop)
    {
        if (token.Length != TokenBytes * 2 || !token.All(char.IsAsciiHexDigitLower)) return null;
        var row = await FindAsync(Digest(token), stop);
        return row is null || row.ExpiresAt <= time.GetUtcNow() ? null : await keys.FindAsync(row.KeyId, stop);
    }

    /// <summary>Ends a session; does nothing where there is none.</summary>
    public async Task CloseAsync(string token, CancellationToken stop)
    {
        var digest = Digest(token);
        await using var database = store.Open();
        await database.Sessions.Where(s => s.Sha256 == digest).ExecuteDeleteAsync(stop);
        _known.TryRemove(digest, out _);
    }

    private async Task<SessionRow?> FindAsync(string digest, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        if (_known.TryGetValue(digest, out var known) && known.Until > now) return known.Row;
        await using var database = store.Open();
        var row = await database.Sessions.AsNoTracking().SingleOrDefaultAsync(s => s.Sha256 == digest, stop);
        if (_known.Count >= MostKept) _known.Clear();
        _known[digest] = (row, now + Kept);
        return row;
    }

    private static string Digest(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(token)));
}
