CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY 'app-example';
GRANT ALL ON shop.* TO 'app'@'%';
CREATE USER IF NOT EXISTS 'crossfade'@'%' IDENTIFIED BY 'control-example';
GRANT ALL ON shop.* TO 'crossfade'@'%';
GRANT ALL ON crossfade.* TO 'crossfade'@'%';
