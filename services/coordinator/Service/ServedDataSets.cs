using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>Data sets of a coordinator that others reach over HTTP: where its machine has them is for its log, and nothing for those who ask.</summary>
internal static class ServedDataSets
{
    /// <summary>Finds a data set as <see cref="DataFingerprint.Find"/> does; a fault names the data set and no place.</summary>
    public static Func<string, DataRef> Find(HostingSettings settings, ILoggerFactory logs)
    {
        var log = logs.CreateLogger(typeof(ServedDataSets));
        return name =>
        {
            try
            {
                return DataFingerprint.Find(name, settings);
            }
            catch (LatheException e)
            {
                log.LogWarning("Data set {Name}: {Reason}", name, e.Message);
                throw Unreadable(name, e);
            }
        };
    }

    /// <summary>Looks whether a data set is there, with the same fault.</summary>
    public static LookForData Look(HostingSettings settings, ILoggerFactory logs)
    {
        var log = logs.CreateLogger(typeof(ServedDataSets));
        return name =>
        {
            try
            {
                Look(name, settings);
            }
            catch (LatheException e)
            {
                // Somebody may be typing, and each letter is looked at.
                log.LogInformation("Data set {Name}: {Reason}", name, e.Message);
                throw Unreadable(name, e);
            }
        };
    }

    /// <summary>The same for who has the machine before him: the fault says where it was looked for.</summary>
    public static void Look(string name, HostingSettings settings)
    {
        // Without copying anything, unless it is to say why it is not there.
        if (DataPlaces.Locate(name, settings) is null) DataPlaces.Find(name, settings);
    }

    private static LatheException Unreadable(string name, LatheException cause) => new(
        $"data set '{name}' cannot be read where this coordinator looks for data{Nearest.Hint(name, DataSetFiles.ByName.Keys)}; the coordinator's log says where it looked and what is missing", cause.Kind, cause);
}
