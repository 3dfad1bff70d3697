namespace Lathe.Contracts;

/// <summary>Location of a data set.</summary>
/// <param name="Folder">The folder that holds it, or for people the address of <paramref name="Remote"/>.</param>
/// <param name="Remote">Photographs in tars that are on no disk of this machine, or null.</param>
public sealed record DataPlace(string Folder, ImageSetFiles? Remote = null)
{
    /// <summary>The folder or bucket, for messages.</summary>
    public override string ToString() => Folder;
}
