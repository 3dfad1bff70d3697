using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Lathe.Coordinator.Tests")]
