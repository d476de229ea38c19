# An application with a langgraph.json, served. From the application's folder:
#   docker build -f path/to/lcel-compat/Dockerfile -t my-app .
#   docker run -p 2024:2024 -v my-app:/data -e LCEL_COMPAT_API_KEYS=... my-app
# PACKAGE may be any requirement, so a wheel in that folder as well: --build-arg PACKAGE="lcel-compat[...] @ file://..."
FROM python:3.12-slim
ARG PACKAGE="lcel-compat[cli,serve,postgres]"
RUN useradd --system served && install --directory --owner served /app /data
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir "$PACKAGE"
USER served
VOLUME /data
EXPOSE 2024
HEALTHCHECK --start-period=30s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:2024/ok?check_db=true')"]
CMD ["lcel-compat", "serve", "--host", "0.0.0.0", "--port", "2024", "--database", "sqlite:////data/served.db"]
